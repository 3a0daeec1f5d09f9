"""What the update learns from: sampled or demonstrated completions with their advantages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grpo.algorithm.advantages import Advantage
from grpo.types import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One completion to learn from."""

    token_ids: tuple[int, ...]
    """(T,), never empty."""
    sampler_logprobs: tuple[float, ...]
    """(T,) nats; empty for demonstrations."""
    advantage: Advantage
    """Of all its tokens, or (T,) one each."""
    index: int = 0
    """Place among the completions of its prompt: with `Tree.prompt_id` the key of whatever is drawn at random."""

    @property
    def live(self) -> bool:
        """Whether any token has an advantage."""
        return any(self.advantage) if isinstance(self.advantage, tuple) else self.advantage != 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A prompt and the completions that continue it."""

    prompt_ids: tuple[int, ...]
    branches: tuple[Branch, ...]
    prompt_id: str = ""
    """The problem's id."""

    @property
    def live(self) -> bool:
        """Whether any branch has a gradient."""
        return any(branch.live for branch in self.branches)

    @property
    def tokens(self) -> int:
        """Completion tokens."""
        return sum(len(branch.token_ids) for branch in self.branches)


def experience_from(
    groups: Sequence[Group], advantages: Sequence[Sequence[Advantage | None]], *, mask_truncated: bool = False
) -> list[Tree]:
    """One tree per group with something to learn from; an advantage of None leaves its completion out.

    `mask_truncated` also leaves out completions that were cut off at the token limit (DAPO, arXiv 2503.14476, section
    3.4, overlong filtering). Their rewards are in the others' advantages already.
    """
    trees = []
    for group, values in zip(groups, advantages, strict=True):
        branches = tuple(
            Branch(token_ids=c.token_ids, sampler_logprobs=c.logprobs, advantage=value, index=index)
            for index, (c, value) in enumerate(zip(group.completions, values, strict=True))
            if value is not None and not (mask_truncated and c.finish_reason == "length")
        )
        if branches:
            trees.append(Tree(prompt_ids=group.prompt.token_ids, branches=branches, prompt_id=group.prompt.problem_id))
    return trees
