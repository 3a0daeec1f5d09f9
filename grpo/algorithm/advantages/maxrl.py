"""MaxRL (Tajwar et al. 2026, arXiv 2602.02710): the reward above the group's mean, relative to that mean.

With rewards 0 and 1 the mean is the pass rate: hard prompts weigh like 1 / pass rate, which turns the gradient of the
expected reward into one of the likelihood of a right answer.
"""

from __future__ import annotations

import math

from grpo.algorithm.advantages.rewards import StepRewards
from grpo.algorithm.advantages.statistics import centred


def maxrl(step: StepRewards) -> list[list[float]]:
    """A_i = (r_i - mean) / mean; 0 in groups of equal rewards, those that are all 0 among them. No guard is needed.

    Raises:
        ValueError: a negative reward (less its KL penalty, where that is part of it).
    """
    for reward in (reward for group in step.rewards for reward in group):
        if reward < 0:
            raise ValueError(f"reward {reward}: maxrl divides by the mean of a group; valid are rewards of 0 or more")
    return [_relative(group) for group in step.rewards]


def _relative(group: list[float]) -> list[float]:
    deviations = centred(group)
    if not any(deviations):
        return deviations
    mean = math.fsum(group) / len(group)
    return [value / mean for value in deviations]
