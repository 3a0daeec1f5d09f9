"""What the selection knobs come to: problems sampled at once, and the token limit of a step."""

from __future__ import annotations

import math

from grpo.config.algorithm import SelectionConfig

ROUNDING = 1e-9
"""Taken off before rounding up: 1.1 times 10 is a little more than 11 in binary."""


def problems_at_once(selection: SelectionConfig, prompts_per_step: int) -> int:
    """Problems begun in one sampling, `prompts_per_step` or more."""
    return math.ceil(prompts_per_step * selection.oversample - ROUNDING)


def samplings(selection: SelectionConfig) -> int:
    """Most samplings of one step."""
    return selection.max_batches if selection.refill else 1


def token_limit(selection: SelectionConfig, max_tokens: int, step: int) -> int:
    """Most tokens of a completion in a step of the stage, counting from 0."""
    reached = [limit for start, limit in zip(selection.length_steps, selection.length_limits, strict=True)
               if start <= step]  # fmt: skip
    return reached[-1] if reached else max_tokens
