"""Turns completions into scores: reward functions, and the suite that calls, checks and adds them up.

Knows `grpo.types` only; never imports torch, a model or an engine.
"""

from grpo.rewards.scope import per_group

__all__ = ["per_group"]
