"""Which groups of a batch decoded in lock-step were complete first."""

from __future__ import annotations

from collections.abc import Sequence

from grpo.rollouts.engine import FirstGroups, completion, groups
from grpo.rollouts.generation import GenerationTask
from grpo.types import Completion, Group, Prompt


def first_complete(
    prompts: Sequence[Prompt], rows: Sequence[tuple[list[int], list[float]]], task: GenerationTask, version: int
) -> FirstGroups:
    """The first `task.enough` complete groups, by the step of their last token and then the order of the prompts.

    `rows` are the tokens and log-probs of completion g of prompt p at p * G + g, the stopped ones included.
    """
    completions = [completion(ids, logprobs, task.eos_token_ids, version) for ids, logprobs in rows]
    found = groups(prompts, completions)
    ended = [place for place, group in enumerate(found) if all(_ended(c, task) for c in group.completions)]
    first = set(sorted(ended, key=lambda place: _last_step(found[place]))[: task.enough])
    lost = sum(_tokens(group) for place, group in enumerate(found) if place not in first)
    chosen = tuple(group if place in first else None for place, group in enumerate(found))
    return FirstGroups(groups=chosen, tokens_discarded=lost)


def _ended(one: Completion, task: GenerationTask) -> bool:
    return one.finish_reason == "stop" or len(one.token_ids) == task.settings.max_tokens


def _last_step(group: Group) -> int:
    return max(len(one.token_ids) for one in group.completions)


def _tokens(group: Group) -> int:
    return sum(len(one.token_ids) for one in group.completions)
