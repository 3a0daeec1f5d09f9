"""REINFORCE++ (Hu et al. 2025, arXiv 2501.03262): no group, the z-score over all tokens of the step.

A token's reward is less its KL penalty, the last token's also the completion's total; the return is the sum from the
token to the end, gamma = 1. Mean and spread are over tokens, so long completions count more in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from grpo.algorithm.advantages.rewards import Advantage, StepRewards
from grpo.algorithm.advantages.statistics import centred, spread


def batch_zscore(step: StepRewards) -> list[list[Advantage]]:
    """A_t = (R_t - mean) / (std + 1e-4), R_t = total - Σ_{u≥t} penalty_u, std with Bessel's correction.

    A tuple per completion with penalties; without, its tokens agree and one number stands for them. Groups of equal
    rewards are NOT 0: they are above or below the step's mean. All are 0 where all returns of the step are equal.
    """
    returns = [_returns(step, g, i) for g, group in enumerate(step.totals) for i in range(len(group))]
    deviations = centred([value for tokens in returns for value in tokens])
    scale = spread(deviations)
    scaled = iter([value / scale for value in deviations])
    rows = iter([tuple(next(scaled) for _ in tokens) for tokens in returns])
    whole = step.penalties is None
    return [[_one(row) if whole else row for row in (next(rows) for _ in group)] for group in step.totals]


def _returns(step: StepRewards, g: int, i: int) -> list[float]:
    """(T,) of the i-th completion of group g."""
    total, length = step.totals[g][i], step.lengths[g][i]
    if step.penalties is None:
        return [total] * length
    penalties: Sequence[float] = step.penalties[g][i]
    assert len(penalties) == length, (len(penalties), length)
    left = accumulate(reversed(penalties), lambda rest, penalty: rest - penalty, initial=total)
    return list(left)[:0:-1]


def _one(tokens: tuple[float, ...]) -> float:
    return tokens[0] if tokens else 0.0
