"""What a stage has used so far; part of every checkpoint, so that a resumed stage goes on counting."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, fields

from grpo.run.memory import GAUGE
from grpo.run.state import PartState


@dataclass(slots=True)
class StageTotals:
    """Sums over the stage, killed attempts counted up to their last checkpoint."""

    wall_seconds: float = 0.0
    tokens_sampled: int = 0
    """Completion tokens."""
    tokens_prompted: int = 0
    """Prompt tokens, once for each completion."""
    tokens_trained: int = 0

    def state(self) -> PartState:
        return PartState(values=asdict(self))

    def load_state(self, saved: PartState) -> None:
        for item in fields(self):
            setattr(self, item.name, saved.values[item.name])


class Clock:
    """Seconds per phase of one step: `with clock("rollout"): ...`; the phase's peak memory goes to the gauge."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()
        self._phase, self._phase_started, self._outside = "", 0.0, ""

    def __call__(self, phase: str) -> Clock:
        self._phase = phase
        return self

    def __enter__(self) -> None:
        self._outside = GAUGE.enter(self._phase)
        self._phase_started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = time.perf_counter() - self._phase_started
        self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + spent
        GAUGE.enter(self._outside)

    @property
    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self._started

    def metrics(self) -> dict[str, float]:
        """`time/<phase>` and `step_time`, seconds."""
        return {f"time/{phase}": spent for phase, spent in self.seconds.items()} | {"step_time": self.elapsed}
