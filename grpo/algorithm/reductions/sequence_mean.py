"""GRPO (arXiv 2402.03300, eq. 3): mean over completions of each completion's token mean."""

from __future__ import annotations

import torch

from grpo.algorithm.reductions.totals import StepTotals


def sequence_mean(lengths: torch.Tensor, totals: StepTotals) -> torch.Tensor:
    """lengths (N,): tokens of the completion each token belongs to → weight (N,) = 1 / (completions · len_i)."""
    return 1.0 / (totals.completions * lengths.float())
