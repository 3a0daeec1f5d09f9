"""GRPO (Shao et al. 2024, arXiv 2402.03300, section 4.1.2): the z-score of the reward within its group."""

from __future__ import annotations

import math

from grpo.algorithm.advantages.group_mean import group_mean
from grpo.algorithm.advantages.rewards import StepRewards

STD_FLOOR = 1e-4
"""Added to the standard deviation; the paper has none, this is the field's usual guard."""


def group_mean_std(step: StepRewards) -> list[list[float]]:
    """A_i = (r_i - mean) / (std + 1e-4), std with Bessel's correction; 0 in groups of equal rewards."""
    return [_scaled(group) for group in group_mean(step)]


def _scaled(centred: list[float]) -> list[float]:
    if not any(centred):
        return centred
    std = math.sqrt(math.fsum(value * value for value in centred) / (len(centred) - 1))
    return [value / (std + STD_FLOOR) for value in centred]
