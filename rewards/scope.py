"""How much of a batch a reward function sees in one call."""

from __future__ import annotations

from typing import TypeVar

Reward = TypeVar("Reward")


def per_group(reward: Reward) -> Reward:
    """Mark a function or class whose calls get exactly one group: all completions of one prompt.

    For rewards that compare completions with each other. Unmarked ones get the whole batch, and parts of it after a
    failure.
    """
    reward.per_group = True  # type: ignore[attr-defined]
    return reward
