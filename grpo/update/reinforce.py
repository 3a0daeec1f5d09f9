"""The GRPO update of one rollout step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from grpo.algorithm.advantages import ADVANTAGES, Advantage, StepRewards
from grpo.algorithm.losses import OVER_STEP, StepTokens
from grpo.algorithm.reductions import StepTotals
from grpo.config.slices import AlgorithmConfig
from grpo.kernels.token_logprob import HeadLoss, HeadSettings, Objective
from grpo.types import Group, PackedBatch, Score
from grpo.update.columns import StepColumns, columns_of
from grpo.update.experience import Tree
from grpo.update.meter import Meter
from grpo.update.mismatch import MismatchLimit
from grpo.update.noise import token_noise
from grpo.update.objective import StepObjective, TokenFacts, importance_ratio, loss_settings
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import Policy, to_device
from grpo.update.reference import ReferencePolicy, with_reference


def advantages_of(
    groups: Sequence[Group], scores: Sequence[Sequence[Score]], name: str
) -> list[list[Advantage | None]]:
    """An advantage per completion; None where the reward failed, and in groups with fewer than two valid rewards."""
    valid = [[i for i, score in enumerate(scored) if score.total is not None] for scored in scores]
    kept = [indices if len(indices) >= 2 else [] for indices in valid]
    rewards = StepRewards(
        totals=[[scored[i].total or 0.0 for i in indices] for scored, indices in zip(scores, kept, strict=True)],
        lengths=[[len(g.completions[i].token_ids) for i in indices] for g, indices in zip(groups, kept, strict=True)],
    )
    result: list[list[Advantage | None]] = []
    for group, indices, values in zip(groups, kept, ADVANTAGES[name](rewards), strict=True):
        found = dict(zip(indices, values, strict=True))
        result.append([found.get(i) for i in range(len(group.completions))])
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings:
    """What the update needs from the stage's slices."""

    algorithm: AlgorithmConfig
    sampling: HeadSettings
    """The distribution the rollouts are sampled from."""
    max_tokens: int
    optimizer_steps: int
    limits: PackingLimits
    mismatch: MismatchLimit
    seed_keys: tuple[int | str, ...] = (0,)
    """What random selections among tokens are keyed by, beside step, completion and position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWork:
    """One optimizer step's share of a rollout."""

    live: list[Tree]
    columns: StepColumns
    """Of the live trees, S tokens."""
    totals: StepTotals
    noise_key: tuple[int | str, ...]
    """Tells this optimizer step from every other of the run."""


class PolicyUpdate:
    """Trees of a rollout step → one or several optimizer steps → metrics."""

    def __init__(
        self, policy: Policy, optimizer: Optimizer, settings: UpdateSettings, reference: ReferencePolicy | None
    ) -> None:
        self.policy, self.optimizer, self.settings, self.reference = policy, optimizer, settings, reference
        self._sampling = settings.sampling

    def __call__(self, trees: Sequence[Tree], step: int = 0) -> dict[str, float]:
        """`step` keys random selections. Raises LogprobMismatchError or NonFiniteError before anything is applied."""
        meter = Meter()
        for work in self._prepare(split_evenly(trees, self.settings.optimizer_steps), step, meter):
            self._optimizer_step(work, meter)
        return meter.read()

    def _prepare(self, parts: Sequence[Sequence[Tree]], step: int, meter: Meter) -> list[StepWork]:
        """What the optimizer steps need to know before the first of them changes the policy."""
        live = [self._live(part) for part in parts]
        columns = [columns_of(trees, self.policy.model.device) for trees in live]
        if self.reference is not None:
            columns = with_reference(self.reference, live, columns, self.settings.limits, self._sampling)
        if len(parts) > 1:
            columns = [self._with_old(trees, known, meter) for trees, known in zip(live, columns, strict=True)]
        return [
            StepWork(
                live=trees,
                columns=known,
                totals=self._totals(part, trees),
                noise_key=(*self.settings.seed_keys, step, number),
            )
            for number, (part, trees, known) in enumerate(zip(parts, live, columns, strict=True))
        ]

    def _live(self, part: Sequence[Tree]) -> list[Tree]:
        """Groups without advantages have no gradient unless the KL term or the entropy bonus gives them one."""
        algorithm = self.settings.algorithm
        all_learn = algorithm.entropy_coef > 0 or (algorithm.kl_coef > 0 and algorithm.kl_in == "loss")
        return [tree for tree in part if tree.live or all_learn]

    def _totals(self, part: Sequence[Tree], live: Sequence[Tree]) -> StepTotals:
        counted = live if self.settings.algorithm.dead_groups == "exclude" else part
        return StepTotals(
            prompts=len(counted),
            completions=sum(len(tree.branches) for tree in counted),
            tokens=sum(tree.tokens for tree in counted),
            max_tokens=self.settings.max_tokens,
        )

    def _optimizer_step(self, work: StepWork, meter: Meter) -> None:
        if not work.live:
            self.optimizer.skip()
            return
        objective = StepObjective(self.settings.algorithm, work.totals)
        columns, differences = self._with_statistics(work), []
        for batch in self._batches(work.live):
            facts = columns.facts(batch)
            found = self.policy.learn(batch, self._sampling, on_rows(objective, facts))
            _measure(meter, objective, facts, found)
            differences.append(found.logprob - facts.sampler)
        if columns.old_logprob is None:
            self._compare(torch.cat(differences), meter)
        norm, rate = self.optimizer.step()
        meter.add("grad_norm", torch.tensor([norm]))
        meter.add("learning_rate", torch.tensor([rate]))

    def _with_old(self, live: Sequence[Tree], columns: StepColumns, meter: Meter) -> StepColumns:
        """With log-probs from before the first of several optimizer steps, compared with the sampler's."""
        old = self.policy.tree_logprobs(live, self.settings.limits, self._sampling)
        if live:
            self._compare(old - columns.sampler_logprob, meter)
        return replace(columns, old_logprob=old)

    def _with_statistics(self, work: StepWork) -> StepColumns:
        """With what the loss asks of the whole optimizer step: one more forward pass, where it asks anything."""
        ask, columns = OVER_STEP.get(self.settings.algorithm.loss), work.columns
        if ask is None:
            return columns
        now = self.policy.tree_logprobs(work.live, self.settings.limits, self._sampling)
        tokens = StepTokens(
            logprob=now,
            old_logprob=now if columns.old_logprob is None else columns.old_logprob,
            advantage=columns.advantage,
            completion=columns.completion(),
            noise=token_noise(work.live, work.noise_key).to(now.device),
        )
        return replace(columns, over_step=ask(tokens, loss_settings(self.settings.algorithm)))

    def _compare(self, log_ratio: torch.Tensor, meter: Meter) -> None:
        """`log_ratio` (N,): trainer's log-prob minus the sampler's, nats."""
        difference = log_ratio.abs()
        meter.add("mismatch_kl", torch.expm1(log_ratio) - log_ratio)
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
    return lambda logprob, entropy, rows: objective(logprob, entropy, facts.part(rows))


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
        meter.add("kl", objective.kl(found.logprob, facts))
