"""Equality of two parsed answers, one file per type of answer."""

from grpo.rewards.math.compare.dispatch import equivalent

__all__ = ["equivalent"]
