"""What alarms look at: the metrics of a run's stages, the first and the latest steps of each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from grpo.types import StepMetrics

FIRST_STEPS = 20
"""Steps kept from a stage's beginning."""
RECENT_STEPS = 100
"""Latest steps kept of a stage."""

Values = Mapping[str, float]


class StageHistory:
    """The first `FIRST_STEPS` and the latest `RECENT_STEPS` steps of one stage; memory does not grow with the run."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._first: list[Values] = []
        self._recent: deque[Values] = deque(maxlen=RECENT_STEPS)

    def add(self, values: Values) -> None:
        """Take the next step's metrics. What is not finite counts as not measured, as in `metrics.jsonl`."""
        known = {name: value for name, value in values.items() if math.isfinite(value)}
        self._recent.append(known)
        if len(self._first) < FIRST_STEPS:
            self._first.append(known)

    def start(self, name: str) -> list[float]:
        """A metric's values among the stage's first steps; steps without it are passed over."""
        return [row[name] for row in self._first if name in row]

    def series(self, name: str) -> list[float]:
        """A metric's values among the latest steps, oldest first; steps without it are passed over."""
        return [row[name] for row in self._recent if name in row]

    def names(self) -> list[str]:
        """The metrics of the newest step, in their order."""
        return list(self._recent[-1]) if self._recent else []

    def rewards(self) -> list[str]:
        """`rewards/<name>/mean` of every reward function, in their order: the first says what is correct."""
        return [name for name in self.names() if name.startswith("rewards/") and name.endswith("/mean")]

    def accuracy(self) -> list[float]:
        """Means of the first reward function over the latest steps: by convention 1 where an answer is right."""
        found = self.rewards()
        return self.series(found[0]) if found else []


class History:
    """The stages so far. All that an alarm may know, so that a resumed run rings as the unbroken one."""

    def __init__(self) -> None:
        self.earlier: list[StageHistory] = []
        """Stages that have ended, in order."""
        self.now = StageHistory("")
        """The stage of the newest step."""

    def add(self, line: StepMetrics) -> bool:
        """Take the next line of `metrics.jsonl`; returns whether it begins a stage."""
        begins = line.stage != self.now.stage
        if begins:
            self.earlier += [self.now] if self.now.stage else []
            self.now = StageHistory(line.stage)
        self.now.add(line.values)
        return begins
