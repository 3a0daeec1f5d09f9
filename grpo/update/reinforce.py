"""The GRPO update of one rollout step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from grpo.algorithm.advantages import ADVANTAGES
from grpo.algorithm.kl import k3
from grpo.algorithm.losses import LOSSES, ClipRange, LossInputs, LossTerms
from grpo.algorithm.reductions import REDUCTIONS, StepTotals
from grpo.config.slices import AlgorithmConfig
from grpo.types import Group, PackedBatch, Score
from grpo.update.columns import StepColumns, columns_of
from grpo.update.experience import Tree
from grpo.update.meter import Meter
from grpo.update.mismatch import MismatchLimit
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


class PolicyUpdate:
    """Trees of a rollout step → one or several optimizer steps → metrics."""

    def __init__(
        self, policy: Policy, optimizer: Optimizer, settings: UpdateSettings, reference: ReferencePolicy | None
    ) -> None:
        self.policy, self.optimizer, self.settings, self.reference = policy, optimizer, settings, reference
        self._loss = LOSSES[settings.algorithm.loss]
        self._reduction = REDUCTIONS[settings.algorithm.reduction]
        self._clip = ClipRange(low=settings.algorithm.clip_low, high=settings.algorithm.clip_high)

    def __call__(self, trees: Sequence[Tree]) -> dict[str, float]:
        """Raises LogprobMismatchError or NonFiniteError before anything is applied."""
        meter = Meter()
        parts = split_evenly(trees, self.settings.optimizer_steps)
        work = [self._live(part) for part in parts]
        columns = [columns_of(part, self.policy.model.device) for part in work]
        if self.reference is not None:
            columns = with_reference(self.reference, work, columns, self.settings.limits, self.settings.temperature)
        old = [self._old_logprobs(p, c, meter) for p, c in zip(work, columns, strict=True)] if len(parts) > 1 else None
        for i, (part, live) in enumerate(zip(parts, work, strict=True)):
            totals = self._totals(part, live)
            self._optimizer_step(live, columns[i], totals, old[i] if old else None, meter)
        return meter.read()

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

    def _optimizer_step(
        self, live: Sequence[Tree], columns: StepColumns, totals: StepTotals, old: torch.Tensor | None, meter: Meter
    ) -> None:
        if not live:
            self.optimizer.skip()
            return
        differences = []
        for batch in self._batches(live):
            logprob, entropy = self.policy.token_logprobs(batch, self.settings.temperature)
            flat = columns.flat_index(batch)
            anchor = logprob.detach() if old is None else old[flat]
            sampler = columns.sampler_logprob[flat]
            inputs = LossInputs(
                logprob=logprob, old_logprob=anchor, advantage=columns.advantage[batch.completion_index]
            )
            terms = self._loss(inputs, self._clip)
            per_token = terms.loss * self._correction(anchor, sampler, meter)
            per_token = per_token + self._penalty(columns, flat, logprob, meter)
            loss = (per_token * self._reduction(columns.length[batch.completion_index], totals)).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            meter.total("loss", loss.item())
            _measure(meter, terms, entropy)
            differences.append((anchor - sampler).abs())
        if old is None:
            self._compare(torch.cat(differences), meter)
        norm, rate = self.optimizer.step()
        meter.add("grad_norm", torch.tensor([norm]))
        meter.add("learning_rate", torch.tensor([rate]))

    def _correction(self, anchor: torch.Tensor, sampler: torch.Tensor, meter: Meter) -> torch.Tensor:
        """Truncated importance sampling: min(exp(anchor - sampler), cap), (N,)."""
        ratio = torch.exp(anchor - sampler)
        meter.add("sampling/importance_sampling_ratio/mean", ratio)
        meter.extreme("sampling/importance_sampling_ratio/min", ratio, "min")
        meter.extreme("sampling/importance_sampling_ratio/max", ratio, "max")
        return ratio.clamp(max=self.settings.algorithm.importance_cap)

    def _penalty(
        self, columns: StepColumns, flat: torch.Tensor, logprob: torch.Tensor, meter: Meter
    ) -> torch.Tensor | float:
        if columns.reference_logprob is None:
            return 0.0
        estimate = k3(logprob, columns.reference_logprob[flat])
        meter.add("kl", estimate)
        return self.settings.algorithm.kl_coef * estimate

    @torch.no_grad()
    def _old_logprobs(self, live: Sequence[Tree], columns: StepColumns, meter: Meter) -> torch.Tensor:
        """(S,) log-probs before the first of several optimizer steps, compared with the sampler's."""
        old = torch.empty_like(columns.sampler_logprob)
        for batch in self._batches(live):
            old[columns.flat_index(batch)] = self.policy.token_logprobs(batch, self.settings.temperature)[0]
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


def _measure(meter: Meter, terms: LossTerms, entropy: torch.Tensor) -> None:
    meter.add("entropy", entropy)
    meter.add("clip_ratio/low_mean", terms.clipped_low)
    meter.add("clip_ratio/high_mean", terms.clipped_high)
    meter.add("clip_ratio/region_mean", terms.clipped_low | terms.clipped_high)
