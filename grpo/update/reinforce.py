"""The GRPO update of one rollout step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from grpo.algorithm.advantages import ADVANTAGES
from grpo.algorithm.kl import k3
from grpo.algorithm.reductions import StepTotals
from grpo.config.slices import AlgorithmConfig
from grpo.kernels.token_logprob import HeadLoss, HeadSettings, Objective
from grpo.types import Group, PackedBatch, Score
from grpo.update.columns import StepColumns, columns_of
from grpo.update.experience import Tree
from grpo.update.meter import Meter
from grpo.update.mismatch import MismatchLimit
from grpo.update.objective import StepObjective, TokenFacts, importance_ratio
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import Policy, to_device
from grpo.update.reference import ReferencePolicy, with_reference


def advantages_of(groups: Sequence[Group], scores: Sequence[Sequence[Score]], name: str) -> list[list[float | None]]:
    """An advantage per completion; None where the reward failed, and in groups with fewer than two valid rewards."""
    valid = [[s.total for s in group if s.total is not None] for group in scores]
    kept = [totals if len(totals) >= 2 else [] for totals in valid]
    computed = ADVANTAGES[name](kept)
    result: list[list[float | None]] = []
    for group, scored, totals, values in zip(groups, scores, kept, computed, strict=True):
        assert len(scored) == len(group.completions), (len(scored), len(group.completions))
        following = iter(values)
        result.append([next(following) if totals and s.total is not None else None for s in scored])
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings:
    """What the update needs from the stage's slices."""

    algorithm: AlgorithmConfig
    temperature: float
    max_tokens: int
    optimizer_steps: int
    limits: PackingLimits
    mismatch: MismatchLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork:
    """One optimizer step's share of a rollout."""

    live: list[Tree]
    columns: StepColumns
    """Of the live trees, S tokens."""
    totals: StepTotals
    old: torch.Tensor | None
    """(S,) log-probs before the rollout's first optimizer step; None where that is this one."""


class PolicyUpdate:
    """Trees of a rollout step → one or several optimizer steps → metrics."""

    def __init__(
        self, policy: Policy, optimizer: Optimizer, settings: UpdateSettings, reference: ReferencePolicy | None
    ) -> None:
        self.policy, self.optimizer, self.settings, self.reference = policy, optimizer, settings, reference
        self._sampling = HeadSettings(temperature=settings.temperature)

    def __call__(self, trees: Sequence[Tree]) -> dict[str, float]:
        """Raises LogprobMismatchError or NonFiniteError before anything is applied."""
        meter = Meter()
        for work in self._prepare(split_evenly(trees, self.settings.optimizer_steps), meter):
            self._optimizer_step(work, meter)
        return meter.read()

    def _prepare(self, parts: Sequence[Sequence[Tree]], meter: Meter) -> list[StepWork]:
        """What the optimizer steps need to know before the first of them changes the policy."""
        live = [self._live(part) for part in parts]
        columns = [columns_of(trees, self.policy.model.device) for trees in live]
        if self.reference is not None:
            columns = with_reference(self.reference, live, columns, self.settings.limits, self._sampling)
        return [
            StepWork(
                live=trees,
                columns=facts,
                totals=self._totals(part, trees),
                old=self._old_logprobs(trees, facts, meter) if len(parts) > 1 else None,
            )
            for part, trees, facts in zip(parts, live, columns, strict=True)
        ]

    def _live(self, part: Sequence[Tree]) -> list[Tree]:
        """Groups of equal rewards have no gradient unless the KL term gives them one."""
        return [tree for tree in part if tree.live or self.settings.algorithm.kl_coef > 0]

    def _totals(self, part: Sequence[Tree], live: Sequence[Tree]) -> StepTotals:
        counted = live if self.settings.algorithm.dead_groups == "exclude" else part
        return StepTotals(
            completions=sum(len(tree.branches) for tree in counted),
            tokens=sum(tree.tokens for tree in counted),
            max_tokens=self.settings.max_tokens,
        )

    def _optimizer_step(self, work: StepWork, meter: Meter) -> None:
        if not work.live:
            self.optimizer.skip()
            return
        objective = StepObjective(self.settings.algorithm, work.totals)
        differences = []
        for batch in self._batches(work.live):
            facts = work.columns.facts(batch, work.old)
            found = self.policy.learn(batch, self._sampling, on_rows(objective, facts))
            _measure(meter, objective, facts, found)
            differences.append((found.logprob - facts.sampler).abs())
        if work.old is None:
            self._compare(torch.cat(differences), meter)
        norm, rate = self.optimizer.step()
        meter.add("grad_norm", torch.tensor([norm]))
        meter.add("learning_rate", torch.tensor([rate]))

    def _old_logprobs(self, live: Sequence[Tree], columns: StepColumns, meter: Meter) -> torch.Tensor:
        """(S,) log-probs before the first of several optimizer steps, compared with the sampler's."""
        old = self.policy.tree_logprobs(live, self.settings.limits, self._sampling)
        if live:
            self._compare((old - columns.sampler_logprob).abs(), meter)
        return old

    def _compare(self, difference: torch.Tensor, meter: Meter) -> None:
        meter.add("sampling/sampling_logp_difference/mean", difference)
        meter.extreme("sampling/sampling_logp_difference/max", difference, "max")
        self.settings.mismatch.check(difference, "rollouts of this step")

    def _batches(self, trees: Sequence[Tree]) -> list[PackedBatch]:
        return [to_device(batch, self.policy.model.device) for batch in pack(trees, self.settings.limits)]


def split_evenly(trees: Sequence[Tree], parts: int) -> list[list[Tree]]:
    """Contiguous parts whose sizes differ by at most one; never more parts than trees."""
    count = max(1, min(parts, len(trees)))
    borders = [len(trees) * i // count for i in range(count + 1)]
    return [list(trees[a:b]) for a, b in pairwise(borders)]


def on_rows(objective: StepObjective, facts: TokenFacts) -> Objective:
    """The objective of some of a micro-batch's tokens, as the head asks for it."""
    return lambda logprob, entropy, rows: objective(logprob, facts.part(rows))


def _measure(meter: Meter, objective: StepObjective, facts: TokenFacts, found: HeadLoss) -> None:
    terms, ratio = objective.terms(found.logprob, facts), importance_ratio(found.logprob, facts)
    meter.total("loss", found.loss.item())
    meter.add("entropy", found.entropy)
    meter.add("clip_ratio/low_mean", terms.clipped_low)
    meter.add("clip_ratio/high_mean", terms.clipped_high)
    meter.add("clip_ratio/region_mean", terms.clipped_low | terms.clipped_high)
    meter.add("sampling/importance_sampling_ratio/mean", ratio)
    meter.extreme("sampling/importance_sampling_ratio/min", ratio, "min")
    meter.extreme("sampling/importance_sampling_ratio/max", ratio, "max")
    if facts.reference is not None:
        meter.add("kl", k3(found.logprob, facts.reference))
