"""Rewards of a whole step → advantages. Every function has the same signature and a place in `ADVANTAGES`.

It sees the whole optimizer step at once, so that batch statistics never depend on how the step is split. It gives a
number for each completion, or one for each of its tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grpo.algorithm.advantages.group_mean import group_mean
from grpo.algorithm.advantages.group_mean_std import group_mean_std
from grpo.algorithm.advantages.rewards import StepRewards

Advantage = float | tuple[float, ...]
AdvantageFunction = Callable[[StepRewards], Sequence[Sequence[Advantage]]]

ADVANTAGES: dict[str, AdvantageFunction] = {
    "group_mean": group_mean,
    "group_mean_std": group_mean_std,
}

__all__ = ["ADVANTAGES", "Advantage", "AdvantageFunction", "StepRewards"]
