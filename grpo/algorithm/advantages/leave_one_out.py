"""RLOO (Ahmadian et al. 2024, arXiv 2402.14740; Kool et al. 2019): the reward above the mean of the others'."""

from __future__ import annotations

from grpo.algorithm.advantages.group_mean import group_mean
from grpo.algorithm.advantages.rewards import StepRewards


def leave_one_out(step: StepRewards) -> list[list[float]]:
    """A_i = r_i - mean_{j≠i}(r_j) = (r_i - mean)·G / (G - 1).

    0 in groups of equal rewards, and in groups of one, which has no others.
    """
    return [[value * len(group) / max(1, len(group) - 1) for value in group] for group in group_mean(step)]
