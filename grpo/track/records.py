"""What one step's rollouts look like on disk and in the report: plain text and numbers, no tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Cells = tuple[tuple[str, Any], ...]
"""Named values, each something JSON can express."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredCompletion:
    """One completion with what the rewards said about it."""

    text: str
    """Decoded completion, as the reward functions saw it."""
    token_ids: tuple[int, ...]
    """(T,), the sampled ids."""
    finish_reason: str
    """`stop` or `length`."""
    weight_version: int
    """Version of the weights that sampled it."""
    rewards: tuple[tuple[str, float | None], ...]
    """(name, raw value) of each reward function; None: does not apply, or failed."""
    total: float | None
    """Weighted sum; None: the completion could not be scored."""
    advantage: float | None
    """What the update multiplied its log-probs with; None: it took no part."""
    error: str | None = None
    """Why `total` is None."""
    extra: Cells = ()
    """(column, value) of what reward functions gave to `log_extra`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredGroup:
    """The G completions of one prompt."""

    problem_id: str
    prompt_text: str
    """Decoded prompt, the chat template applied."""
    answer: str
    """Gold answer."""
    completions: tuple[ScoredCompletion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRecord:
    """All groups of one step: one file `rollouts/step_<step>.jsonl`, a line per group."""

    step: int
    """As in `StepMetrics`: counts from 1 over the whole run."""
    stage: str
    groups: tuple[ScoredGroup, ...]
