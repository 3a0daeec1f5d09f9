"""Asks every alarm after every step, and rings each once until it has cleared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from grpo.track.alarms import ALARMS
from grpo.track.alarms.history import History
from grpo.types import StepMetrics

CLEAR_STEPS = 5
"""Steps in a row without a finding after which an alarm is off, and may ring again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """An alarm that has begun."""

    name: str
    stage: str
    step: int
    """Of the run."""
    text: str
    """What was found, and what to do."""

    def line(self) -> str:
        """`ALARM truncation at step 12 (rl): ...`."""
        return f"ALARM {self.name} at step {self.step} ({self.stage}): {self.text}"

    def entry(self) -> dict[str, object]:
        """In `summary.json`."""
        return asdict(self)


class AlarmWatch:
    """Knows nothing but the lines of `metrics.jsonl`: a resume replays the kept ones, and needs no other state."""

    def __init__(self, off: Sequence[str] = ()) -> None:
        self._alarms = {name: alarm for name, alarm in ALARMS.items() if name not in off}
        self._history = History()
        self._quiet: dict[str, int] = {}
        self.rings: list[Ring] = []
        """All of the run, in order."""

    def replay(self, lines: Iterable[StepMetrics]) -> None:
        """Take the steps of a run that is resumed."""
        for line in lines:
            self.observe(line)

    def observe(self, line: StepMetrics) -> tuple[dict[str, float], list[Ring]]:
        """Take the next step. Returns its `alarm/<name>` metrics, see `grpo.track.names`, and what begins to ring."""
        if self._history.add(line):
            self._quiet.clear()
        values: dict[str, float] = {}
        begun: list[Ring] = []
        for name, alarm in self._alarms.items():
            finding = alarm.finds(self._history)
            if finding is not None and name not in self._quiet:
                text = f"{finding}; {alarm.advice}"
                begun.append(Ring(name=name, stage=line.stage, step=line.step, text=text))
            if self._is_on(name, finding is not None):
                values[f"alarm/{name}"] = float(name in self._quiet)
        self.rings += begun
        return values, begun

    def _is_on(self, name: str, found: bool) -> bool:
        """Keeps `_quiet`, the steps since the last finding of alarms that are on; true until the step that clears."""
        if found:
            self._quiet[name] = 0
        elif name not in self._quiet:
            return False
        else:
            self._quiet[name] += 1
            if self._quiet[name] >= CLEAR_STEPS:
                del self._quiet[name]
        return True
