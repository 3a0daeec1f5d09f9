"""Dr. GRPO (arXiv 2503.20783): sum over tokens divided by a constant, free of length bias."""

from __future__ import annotations

import torch

from grpo.algorithm.reductions.totals import StepTotals


def constant_length(lengths: torch.Tensor, totals: StepTotals) -> torch.Tensor:
    """lengths (N,) → weight (N,) = 1 / (completions · max_tokens)."""
    return torch.full_like(lengths, 1.0 / (totals.completions * totals.max_tokens), dtype=torch.float32)
