"""Dr. GRPO (arXiv 2503.20783): sum over tokens divided by a constant, free of length bias."""

from __future__ import annotations

import torch

from grpo.algorithm.reductions.totals import StepTotals, TokenCounts


def constant_length(counts: TokenCounts, totals: StepTotals) -> torch.Tensor:
    """weight (N,) = 1 / (completions · max_tokens)."""
    return torch.full_like(counts.completion, 1.0 / (totals.completions * totals.max_tokens), dtype=torch.float32)
