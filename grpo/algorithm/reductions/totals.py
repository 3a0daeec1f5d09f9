"""Counts over one optimizer step."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTotals:
    """Normalisers of one optimizer step, over all its micro-batches and dropped groups (unless excluded)."""

    prompts: int
    completions: int
    tokens: int
    max_tokens: int
    """The token limit of a completion, for reductions with a constant normaliser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Of the places N tokens are in."""

    completion: torch.Tensor
    """(N,) int64: tokens of the completion each belongs to."""
    prompt: torch.Tensor
    """(N,) int64: tokens of all completions of its prompt in this step."""
