"""Dr. GRPO (Liu et al. 2025, arXiv 2503.20783): the reward above the group's mean, not divided by its spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grpo.algorithm.advantages.rewards import StepRewards


def group_mean(step: StepRewards) -> list[list[float]]:
    """A_i = r_i - mean(r_1..r_G)."""
    return [_centred(group) for group in step.rewards]


def _centred(group: Sequence[float]) -> list[float]:
    if not group or all(reward == group[0] for reward in group):
        return [0.0] * len(group)  # exactly zero, whatever rounding does to the mean
    mean = math.fsum(group) / len(group)
    return [reward - mean for reward in group]
