"""DAPO (Yu et al. 2025, arXiv 2503.14476, eq. 8): every token of the step weighs the same."""

from __future__ import annotations

import torch

from grpo.algorithm.reductions.totals import StepTotals, TokenCounts


def token_mean(counts: TokenCounts, totals: StepTotals) -> torch.Tensor:
    """weight (N,) = 1 / Σ_i len_i."""
    return torch.full_like(counts.completion, 1.0 / totals.tokens, dtype=torch.float32)
