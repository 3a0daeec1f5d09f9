"""Counts over one optimizer step."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTotals:
    """Normalisers of one optimizer step, over all its micro-batches and dropped groups (unless excluded)."""

    completions: int
    tokens: int
    max_tokens: int
    """The token limit of a completion, for reductions with a constant normaliser."""
