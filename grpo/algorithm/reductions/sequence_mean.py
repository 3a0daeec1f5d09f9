"""GRPO (arXiv 2402.03300, eq. 3): mean over completions of each completion's token mean."""

from __future__ import annotations

import torch

from grpo.algorithm.reductions.totals import StepTotals, TokenCounts


def sequence_mean(counts: TokenCounts, totals: StepTotals) -> torch.Tensor:
    """weight (N,) = 1 / (completions · len_i)."""
    return 1.0 / (totals.completions * counts.completion.float())
