"""Dr. GRPO (Liu et al. 2025, arXiv 2503.20783): the reward above the group's mean, not divided by its spread."""

from __future__ import annotations

from grpo.algorithm.advantages.rewards import StepRewards
from grpo.algorithm.advantages.statistics import centred


def group_mean(step: StepRewards) -> list[list[float]]:
    """A_i = r_i - mean(r_1..r_G); 0 in groups of equal rewards."""
    return [centred(group) for group in step.rewards]
