"""What the update learns from: sampled or demonstrated completions with their advantages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grpo.types import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One completion to learn from."""

    token_ids: tuple[int, ...]
    """(T,), never empty."""
    sampler_logprobs: tuple[float, ...]
    """(T,) nats; empty for demonstrations."""
    advantage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A prompt and the completions that continue it."""

    prompt_ids: tuple[int, ...]
    branches: tuple[Branch, ...]

    @property
    def live(self) -> bool:
        """Whether any branch has a gradient."""
        return any(branch.advantage != 0 for branch in self.branches)

    @property
    def tokens(self) -> int:
        """Completion tokens."""
        return sum(len(branch.token_ids) for branch in self.branches)


def experience_from(groups: Sequence[Group], advantages: Sequence[Sequence[float | None]]) -> list[Tree]:
    """One tree per group with at least two scored completions; an advantage of None leaves its completion out."""
    trees = []
    for group, values in zip(groups, advantages, strict=True):
        branches = tuple(
            Branch(token_ids=c.token_ids, sampler_logprobs=c.logprobs, advantage=value)
            for c, value in zip(group.completions, values, strict=True)
            if value is not None
        )
        if len(branches) >= 2:
            trees.append(Tree(prompt_ids=group.prompt.token_ids, branches=branches))
    return trees
