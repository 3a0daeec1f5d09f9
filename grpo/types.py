"""The nouns that cross between rooms, and nothing else.

Shape legend, used in every name and docstring of this project:
P prompts of one step, G completions per prompt, T tokens, V vocabulary, H hidden size,
R rows of a packed batch, L length of a packed row, N scored tokens of a packed batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch

Message = Mapping[str, str]
"""One chat turn: `{"role": ..., "content": ...}`."""

FinishReason = Literal["stop", "length"]
"""`stop`: an end-of-sequence token was sampled (and is part of the ids); `length`: the token limit was hit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One row of a data set, before it is tokenised."""

    id: str
    """Unique within the data set and stable between runs: randomness and the data cursor key on it."""
    prompt: str | tuple[Message, ...]
    """Plain text, or the chat turns that the model's template is applied to."""
    answer: str
    """Gold answer, as the reward functions receive it (column `answer`)."""
    demonstration: str | None = None
    """Text of a full completion to imitate in supervised stages, without the end-of-sequence token."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """Further columns of the row, passed to reward functions by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What an engine receives: token ids in, never text."""

    problem_id: str
    token_ids: tuple[int, ...]
    """(T_prompt,), the chat template already applied."""
    seed: int
    """Seed of this prompt's whole group in [0, 2**31): completion i is drawn with a seed derived from (seed, i)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingSettings:
    """How each prompt of a call is sampled."""

    completions_per_prompt: int
    """G."""
    max_tokens: int
    """Most tokens of one completion, the end-of-sequence token included."""
    temperature: float = 1.0
    """0 means greedy."""
    top_p: float = 1.0
    top_k: int = 0
    """0 means off."""
    min_p: float = 0.0
    """0 means off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One sampled answer. Its ids are trained on as they are; nothing is ever re-tokenised."""

    token_ids: tuple[int, ...]
    """(T,), the sampled end-of-sequence token included."""
    logprobs: tuple[float, ...]
    """(T,), nats, of the distribution really sampled from (temperature, min-p, top-k and top-p applied)."""
    finish_reason: FinishReason
    weight_version: int
    """Version of the weights that sampled it (see `RolloutEngine.update_weights`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The G completions of one prompt, in index order."""

    prompt: Prompt
    completions: tuple[Completion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardItem:
    """One completion as the reward room sees it: text and ids, no tensors, no engine."""

    problem: Problem
    completion: str
    """Decoded text, special tokens kept, without the final end-of-sequence token."""
    completion_ids: tuple[int, ...]
    finish_reason: FinishReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What the rewards said about one completion."""

    total: float | None
    """Weighted sum of `parts`; None: errored, so no gradient and no share in the group's baseline."""
    parts: tuple[float | None, ...]
    """Raw value of each reward function, in the suite's order; None: does not apply, or failed."""
    error: str | None = None
    """Why `total` is None: the function's name and its exception or overrun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A prompt, or a completion without its last token, in the flattened R*L stream of a packed batch.

    Its tokens attend, causally, to their own span and to all of the prefix: nothing for a prompt, the prompt for a
    completion.
    """

    start: int
    length: int
    """1 or more."""
    prefix_start: int
    prefix_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """One micro-batch: R rows of L tokens, each prompt once per row, its completions after it. `pack` makes one row.

    Worked example, prompt `5 6`, completions `7 8` and `9 4`, one row (a completion's last token predicts nothing,
    so it is a target only): `input_ids = [5 6 7 9]`, `position_ids = [0 1 2 2]`, `segment_ids = [1 1 1 1]` (the
    group), `branch_ids = [0 0 1 2]` (0 is the prompt, shared by all branches), `source_index = [1 2 1 3]` predicts
    `target_ids = [7 8 9 4]`, `completion_index = [0 0 1 1]`, `token_offset = [0 1 0 1]`, and three spans
    (start, length, prefix_start, prefix_length): (0, 2, 0, 0), (2, 1, 0, 2), (3, 1, 0, 2).
    """

    input_ids: torch.Tensor
    """(R, L) int64."""
    position_ids: torch.Tensor
    """(R, L) int64; every completion continues from its prompt's length."""
    segment_ids: torch.Tensor
    """(R, L) int64; 0 is padding, groups count from 1 within a row."""
    branch_ids: torch.Tensor
    """(R, L) int64; 0 is the prompt, completions count from 1 within their group."""
    source_index: torch.Tensor
    """(N,) int64 into the flattened R*L stream: the position whose hidden state predicts the target."""
    target_ids: torch.Tensor
    """(N,) int64: the sampled token."""
    completion_index: torch.Tensor
    """(N,) int64: which completion of the optimizer step the token belongs to."""
    token_offset: torch.Tensor
    """(N,) int64: place of the token within its completion."""
    spans: tuple[Span, ...]
    """Who attends to whom, the same as `segment_ids` and `branch_ids` say: every token that is no padding is in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics:
    """One line of `metrics.jsonl`."""

    step: int
    """Counts from 1 over the whole run, every stage included."""
    stage: str
    stage_step: int
    values: Mapping[str, float]
    """Metric name to value; names and units are defined in `grpo/track/definitions/`."""
