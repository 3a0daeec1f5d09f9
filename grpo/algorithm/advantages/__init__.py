"""Rewards of a whole step → advantages. Every function has the same signature and a place in `ADVANTAGES`.

It sees the whole optimizer step at once, so that batch statistics never depend on how the step is split. It gives a
number for each completion, or one for each of its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grpo.algorithm.advantages.batch_zscore import batch_zscore
from grpo.algorithm.advantages.group_mean import group_mean
from grpo.algorithm.advantages.group_mean_batch_std import group_mean_batch_std
from grpo.algorithm.advantages.group_mean_reward_std import group_mean_reward_std
from grpo.algorithm.advantages.group_mean_std import group_mean_std
from grpo.algorithm.advantages.leave_one_out import leave_one_out
from grpo.algorithm.advantages.maxrl import maxrl
from grpo.algorithm.advantages.rewards import Advantage, StepRewards

AdvantageFunction = Callable[[StepRewards], Sequence[Sequence[Advantage]]]

ADVANTAGES: dict[str, AdvantageFunction] = {
    "group_mean": group_mean,
    "group_mean_std": group_mean_std,
    "group_mean_batch_std": group_mean_batch_std,
    "group_mean_reward_std": group_mean_reward_std,
    "leave_one_out": leave_one_out,
    "batch_zscore": batch_zscore,
    "maxrl": maxrl,
}

SINGLE_COMPLETIONS = ("batch_zscore",)
"""Those that compare over the step alone, and so learn from a prompt with one completion, too."""

__all__ = ["ADVANTAGES", "SINGLE_COMPLETIONS", "Advantage", "AdvantageFunction", "StepRewards"]
