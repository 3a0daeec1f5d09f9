"""One completion on its way into a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from grpo.types import FinishReason, Problem, SamplingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A completion as its writer gave it, before it is scored."""

    text: str
    token_ids: tuple[int, ...]
    """The writer's own ids, or those of an endpoint's text in the student's vocabulary."""
    finish_reason: FinishReason
    weight_version: int = 0
    failure: str | None = None
    """Why there is no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a writer gave for some problems."""

    written: list[list[Written]]
    """(P, G)."""
    tokens_prompted: int
    """Prompt tokens, once for each completion."""


class Writer(Protocol):
    """Who writes the completions: the policy, a teacher in the run's engine, or an endpoint."""

    @property
    def settings(self) -> SamplingSettings:
        """How it samples; G is its `completions_per_prompt`."""
        ...

    def write(self, problems: Sequence[Problem]) -> Batch:
        """G completions of each problem, the same for the same problems in the same order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A scored completion."""

    problem_id: str
    index: int
    """Which of the problem's completions."""
    text: str
    tokens: int
    finish_reason: FinishReason
    weight_version: int
    rewards: dict[str, float | None]
    """Label to raw value, in the order of the stage's reward functions; empty after a failure."""
    total: float | None
    """Weighted sum; None where there is a failure."""
    failure: str | None
    """Why it was not written or could not be scored."""

    def entry(self) -> dict[str, Any]:
        """For JSON, in which the rewards are a list, since keys are sorted there and the first one decides."""
        return asdict(self) | {"rewards": [[name, value] for name, value in self.rewards.items()]}

    @classmethod
    def of_entry(cls, entry: Mapping[str, Any]) -> Sample:
        """What `entry` was made of."""
        return cls(**{**entry, "rewards": dict(entry["rewards"])})
