"""RLOO (Ahmadian et al. 2024, arXiv 2402.14740): mean over completions of each completion's token sum.

A completion is one action, its log-prob the sum over its tokens. Long completions weigh more, and the gradient's size
grows with the length.
"""

from __future__ import annotations

import torch

from grpo.algorithm.reductions.totals import StepTotals, TokenCounts


def sequence_sum(counts: TokenCounts, totals: StepTotals) -> torch.Tensor:
    """weight (N,) = 1 / completions."""
    return torch.full_like(counts.completion, 1.0 / totals.completions, dtype=torch.float32)
