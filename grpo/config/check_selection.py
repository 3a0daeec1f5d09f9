"""Knobs of `algorithm.selection` that contradict each other or the stage."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from grpo.config.schema import ReinforceConfig


def selection_problems(path: str, stage: ReinforceConfig) -> Iterator[str]:
    """Length schedules that are none, and groups in which no two rewards can differ."""
    selection, here = stage.algorithm.selection, f"{path}.algorithm.selection"
    steps, limits = selection.length_steps, selection.length_limits
    if len(steps) != len(limits):
        yield f"{here}.length_steps={steps}, length_limits={limits}: valid is one limit for each step"
    if any(later <= earlier for earlier, later in pairwise(steps)):
        yield f"{here}.length_steps={steps}: valid are rising steps"
    if any(limit > stage.rollout.max_tokens for limit in limits):
        yield (
            f"{here}.length_limits={limits}: valid is at most {path}.rollout.max_tokens={stage.rollout.max_tokens}, "
            "which prompts and memory are planned for"
        )
    if selection.refill and stage.rollout.completions_per_prompt == 1:
        yield (
            f"{here}.refill=true with {path}.rollout.completions_per_prompt=1: a single reward equals itself, so every "
            "group would be thrown away; valid is 2 or more"
        )
