"""GRPO (Shao et al. 2024, arXiv 2402.03300, section 4.1.2): the z-score of the reward within its group."""

from __future__ import annotations

from grpo.algorithm.advantages.group_mean import group_mean
from grpo.algorithm.advantages.rewards import StepRewards
from grpo.algorithm.advantages.statistics import spread


def group_mean_std(step: StepRewards) -> list[list[float]]:
    """A_i = (r_i - mean) / (std + 1e-4), std of the group with Bessel's correction; 0 in groups of equal rewards."""
    return [_scaled(group) for group in group_mean(step)]


def _scaled(deviations: list[float]) -> list[float]:
    scale = spread(deviations)
    return [value / scale for value in deviations]
