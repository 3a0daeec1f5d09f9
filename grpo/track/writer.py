"""What every place that metrics go to offers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from grpo.track.records import RolloutRecord
from grpo.types import StepMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class StageStart:
    """A stage begins, or goes on after a resume."""

    name: str
    kind: str
    """`sft`, `reinforce`, `evaluate`, ..."""
    steps: int
    """Steps of the whole stage."""
    done_steps: int
    """Steps already done before a resume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """What a dashboard is told once."""

    folder: Path
    run_name: str
    config: dict[str, Any]
    """Resolved config, secrets already redacted."""
    resume_step: int | None
    """Last step kept; None for a new run."""


class Writer(Protocol):
    """One place that metrics go to. `log` and `close` are required; the rest does nothing by default."""

    def log(self, metrics: StepMetrics) -> None:
        """Take one step's metrics."""
        ...

    def close(self, status: str) -> None:
        """Finish within a bounded time; `status` is `finished`, `interrupted` or `failed`."""
        ...

    def stage_started(self, start: StageStart) -> None:
        """A stage begins."""
        return None

    def log_groups(self, record: RolloutRecord) -> None:
        """Take one step's rollouts."""
        return None

    def message(self, text: str) -> None:
        """Take a line of plain text for a person."""
        return None
