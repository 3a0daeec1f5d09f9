"""How token losses become one number. Each function gives the weight of every token in the sum.

The totals span the whole optimizer step and are passed in, so the sum over micro-batches, in any split, is the same
loss with the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from grpo.algorithm.reductions.constant_length import constant_length
from grpo.algorithm.reductions.prompt_mean import prompt_mean
from grpo.algorithm.reductions.sequence_mean import sequence_mean
from grpo.algorithm.reductions.sequence_sum import sequence_sum
from grpo.algorithm.reductions.token_mean import token_mean
from grpo.algorithm.reductions.totals import StepTotals, TokenCounts

ReductionFunction = Callable[[TokenCounts, StepTotals], torch.Tensor]

REDUCTIONS: dict[str, ReductionFunction] = {
    "constant_length": constant_length,
    "sequence_mean": sequence_mean,
    "sequence_sum": sequence_sum,
    "prompt_mean": prompt_mean,
    "token_mean": token_mean,
    "bnpo": token_mean,
}
"""`bnpo` is TRL's name for the token mean over its local micro-batch, which changes with the split. Normalised over the
step, as everything is here, it is the token mean; the two are equal where TRL has one micro-batch."""

__all__ = ["REDUCTIONS", "ReductionFunction", "StepTotals", "TokenCounts"]
