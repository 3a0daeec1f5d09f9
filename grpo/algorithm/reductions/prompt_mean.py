"""ScaleRL (Khatri et al. 2025, arXiv 2510.13786, section 3.2): every prompt weighs the same."""

from __future__ import annotations

import torch

from grpo.algorithm.reductions.totals import StepTotals, TokenCounts


def prompt_mean(counts: TokenCounts, totals: StepTotals) -> torch.Tensor:
    """weight (N,) = 1 / (prompts · tokens of all completions of the prompt)."""
    return 1.0 / (totals.prompts * counts.prompt.float())
