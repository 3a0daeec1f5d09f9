"""The reward above its group's mean, in units of the whole step's spread of just that.

REINFORCE++-baseline (Hu et al. 2025, arXiv 2501.03262, the form with baseline) and ScaleRL (Khatri et al. 2025,
arXiv 2510.13786, section 3.2). Completions count once each, whatever their lengths; verl's and OpenRLHF's
REINFORCE++-baseline counts their tokens instead.
"""

from __future__ import annotations

from grpo.algorithm.advantages.group_mean import group_mean
from grpo.algorithm.advantages.rewards import StepRewards
from grpo.algorithm.advantages.statistics import spread


def group_mean_batch_std(step: StepRewards) -> list[list[float]]:
    """A_i = (r_i - mean_g) / (std + 1e-4), std of r - mean_g over all completions of the step.

    With Bessel's correction. 0 in groups of equal rewards, which do count in the std.
    """
    groups = group_mean(step)
    scale = spread([value for group in groups for value in group])
    return [[value / scale for value in group] for group in groups]
