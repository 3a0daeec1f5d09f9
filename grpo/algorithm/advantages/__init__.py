"""Rewards of a whole step → advantages. Every function has the same signature and a place in `ADVANTAGES`.

An advantage function takes the valid rewards of each group, P lists of up to G floats, and returns the same shape.
It sees the whole optimizer step at once, so that batch statistics never depend on how the step is split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grpo.algorithm.advantages.group_mean import group_mean
from grpo.algorithm.advantages.group_mean_std import group_mean_std

AdvantageFunction = Callable[[Sequence[Sequence[float]]], list[list[float]]]

ADVANTAGES: dict[str, AdvantageFunction] = {
    "group_mean": group_mean,
    "group_mean_std": group_mean_std,
}
