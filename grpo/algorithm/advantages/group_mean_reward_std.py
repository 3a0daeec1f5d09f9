"""Lite PPO (Liu et al. 2025, arXiv 2508.08221): above the group's mean, in units of the spread of all raw rewards.

It differs from `group_mean_batch_std` in that differences between prompts are part of the spread. TRL calls it
`scale_rewards="batch"`.
"""

from __future__ import annotations

from grpo.algorithm.advantages.group_mean import group_mean
from grpo.algorithm.advantages.rewards import StepRewards
from grpo.algorithm.advantages.statistics import centred, spread


def group_mean_reward_std(step: StepRewards) -> list[list[float]]:
    """A_i = (r_i - mean_g) / (std + 1e-4), std of the rewards of all completions of the step.

    With Bessel's correction. 0 in groups of equal rewards, which do count in the std.
    """
    scale = spread(centred([reward for group in step.rewards for reward in group]))
    return [[value / scale for value in group] for group in group_mean(step)]
