"""Scores of a rollout step → advantages, with the KL penalty where it is part of the reward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from grpo.algorithm.advantages import ADVANTAGES, SINGLE_COMPLETIONS, Advantage, StepRewards
from grpo.algorithm.kl import ESTIMATORS
from grpo.types import Group, Score
from grpo.update.experience import Branch, Tree
from grpo.update.reference import ReferencePolicy
from grpo.update.reinforce import UpdateSettings

TokenPenalties = Sequence[Sequence[Sequence[float]]]
"""Per group, for each of its `comparable` completions: (T,), taken off its reward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalties:
    """What is taken off the rewards of a rollout step; nothing by default."""

    tokens: TokenPenalties | None = None
    """kl_coef · estimate of each token."""
    metrics: dict[str, float] = field(default_factory=dict)
    """`kl`: the mean estimate over these tokens, nats; NaN without any."""


class RewardKl:
    """The KL penalty of `algorithm.kl_in=reward`: one reference pass over the completions of a rollout step.

    The estimate takes the sampler's log-prob for the policy's. Its expectation under the distribution the tokens were
    drawn from is then that distribution's own KL to the reference, and the update's correction for the mismatch
    between sampler and trainer covers it as it covers every other part of the reward.
    """

    def __init__(self, reference: ReferencePolicy | None, settings: UpdateSettings) -> None:
        """Without a reference nothing is taken off."""
        self._reference, self._settings = reference, settings

    def __call__(self, groups: Sequence[Group], scores: Sequence[Sequence[Score]]) -> Penalties:
        """Of the completions that get an advantage; asked before the step's first optimizer step."""
        if self._reference is None:
            return Penalties()
        kept = comparable(scores, self._settings.algorithm.advantage)
        trees = [_tree(group, indices) for group, indices in zip(groups, kept, strict=True) if indices]
        if not trees:
            return Penalties(tokens=[[] for _ in groups], metrics={"kl": math.nan})
        reference = self._reference.logprobs(trees, self._settings.limits, self._settings.sampling)
        drawn = [value for tree in trees for branch in tree.branches for value in branch.sampler_logprobs]
        sampler = torch.tensor(drawn, dtype=torch.float32, device=reference.device)
        assert sampler.shape == reference.shape, (sampler.shape, reference.shape)
        algorithm = self._settings.algorithm
        estimate = ESTIMATORS[algorithm.kl_estimator](sampler, reference, sampler).double()
        values = iter((algorithm.kl_coef * estimate).tolist())
        tokens = [
            [[next(values) for _ in group.completions[i].token_ids] for i in indices]
            for group, indices in zip(groups, kept, strict=True)
        ]
        return Penalties(tokens=tokens, metrics={"kl": float(estimate.mean())})


def comparable(scores: Sequence[Sequence[Score]], advantage: str) -> list[list[int]]:
    """Per group the indices of its scored completions; none where fewer were scored than the advantage compares."""
    least = 1 if advantage in SINGLE_COMPLETIONS else 2
    valid = [[i for i, score in enumerate(scored) if score.total is not None] for scored in scores]
    return [indices if len(indices) >= least else [] for indices in valid]


def advantages_of(
    groups: Sequence[Group], scores: Sequence[Sequence[Score]], name: str, penalties: TokenPenalties | None = None
) -> list[list[Advantage | None]]:
    """An advantage per completion; None where the reward failed, and in groups with too few rewards to compare."""
    kept = comparable(scores, name)
    rewards = StepRewards(
        totals=[[scored[i].total or 0.0 for i in indices] for scored, indices in zip(scores, kept, strict=True)],
        lengths=[[len(g.completions[i].token_ids) for i in indices] for g, indices in zip(groups, kept, strict=True)],
        penalties=penalties,
    )
    result: list[list[Advantage | None]] = []
    for group, indices, values in zip(groups, kept, ADVANTAGES[name](rewards), strict=True):
        found = dict(zip(indices, values, strict=True))
        result.append([found.get(i) for i in range(len(group.completions))])
    return result


def _tree(group: Group, indices: Sequence[int]) -> Tree:
    completions = [group.completions[i] for i in indices]
    branches = [Branch(token_ids=c.token_ids, sampler_logprobs=c.logprobs, advantage=0.0) for c in completions]
    return Tree(prompt_ids=group.prompt.token_ids, branches=tuple(branches))
