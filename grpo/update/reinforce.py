"""The GRPO update of one rollout step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch

from grpo.algorithm.losses import COMPARES_TOKENS
from grpo.algorithm.reductions import StepTotals
from grpo.config.slices import AlgorithmConfig
from grpo.kernels.token_logprob import HeadSettings, Objective
from grpo.types import PackedBatch
from grpo.update.columns import StepColumns, columns_of
from grpo.update.experience import Tree
from grpo.update.measure import measure, measure_mismatch
from grpo.update.meter import Meter
from grpo.update.mismatch import MismatchLimit
from grpo.update.noise import token_noise
from grpo.update.objective import StepObjective, TokenFacts
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import Policy, to_device
from grpo.update.reference import ReferencePolicy, with_reference
from grpo.update.statistics import Join, alone, with_statistics


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
    first: bool = False
    """Of its rollout: the policy is still that of the old log-probs."""


class PolicyUpdate:
    """Trees of a rollout step → one or several optimizer steps → metrics."""

    def __init__(
        self, policy: Policy, optimizer: Optimizer, settings: UpdateSettings, reference: ReferencePolicy | None
    ) -> None:
        self.policy, self.optimizer, self.settings, self.reference = policy, optimizer, settings, reference
        self._sampling = settings.sampling
        self.join: Join = alone
        """How this process comes to know the others' tokens of an optimizer step."""

    def __call__(self, trees: Sequence[Tree], step: int = 0) -> dict[str, float]:
        """`step` keys random selections. Raises LogprobMismatchError or NonFiniteError before anything is applied."""
        meter = Meter()
        for work in self._prepare(split_evenly(trees, self.settings.optimizer_steps), step, meter):
            self._optimizer_step(work, meter)
        return meter.read()

    def _prepare(self, parts: Sequence[Sequence[Tree]], step: int, meter: Meter) -> list[StepWork]:
        """What the optimizer steps need to know before the first of them changes the policy."""
        live = [self.live(part) for part in parts]
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
                first=number == 0,
            )
            for number, (part, trees, known) in enumerate(zip(parts, live, columns, strict=True))
        ]

    def live(self, part: Sequence[Tree]) -> list[Tree]:
        """What is computed: not the groups without advantages, unless a KL term or the entropy bonus gives them a
        gradient, or the loss sets the others' tokens against them."""
        algorithm = self.settings.algorithm
        if algorithm.entropy_coef > 0 or (algorithm.kl_coef > 0 and algorithm.kl_in == "loss"):
            return list(part)
        live = [tree for tree in part if tree.live]
        compared = algorithm.loss in COMPARES_TOKENS and algorithm.dead_groups == "count"
        return list(part) if live and compared else live

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
        self.learn(work, meter)
        norm, rate = self.optimizer.step()
        meter.add("grad_norm", torch.tensor([norm]))
        meter.add("learning_rate", torch.tensor([rate]))

    def learn(self, work: StepWork, meter: Meter) -> None:
        """Add the gradients of an optimizer step's loss to the parameters'.

        `work` may be one process's share, or nothing, of a step whose `totals` span more; gradients and the metric
        `loss` then add up over the processes. Raises LogprobMismatchError.
        """
        objective = StepObjective(self.settings.algorithm, work.totals)
        columns, differences = self._with_statistics(work), []
        for batch in self._batches(work.live):
            facts = columns.facts(batch)
            found = self.policy.learn(batch, self._sampling, on_rows(objective, facts))
            measure(meter, objective, facts, found)
            differences.append(found.logprob - facts.sampler)
        if columns.old_logprob is None and differences:
            self._compare(torch.cat(differences), meter)

    def _with_old(self, live: Sequence[Tree], columns: StepColumns, meter: Meter) -> StepColumns:
        """With log-probs from before the first of several optimizer steps, compared with the sampler's."""
        old = self.policy.tree_logprobs(live, self.settings.limits, self._sampling)
        if live:
            self._compare(old - columns.sampler_logprob, meter)
        return replace(columns, old_logprob=old)

    def _with_statistics(self, work: StepWork) -> StepColumns:
        return with_statistics(
            work.columns,
            self.settings.algorithm,
            logprobs=lambda: self._logprobs(work),
            noise=lambda: token_noise(work.live, work.noise_key),
            join=self.join,
        )

    def _logprobs(self, work: StepWork) -> torch.Tensor:
        """Of the policy as it is now, (S,)."""
        if work.first and work.columns.old_logprob is not None:
            return work.columns.old_logprob
        return self.policy.tree_logprobs(work.live, self.settings.limits, self._sampling)

    def _compare(self, difference: torch.Tensor, meter: Meter) -> None:
        """`difference` (N,): trainer less sampler."""
        measure_mismatch(meter, difference)
        self.settings.mismatch.check(difference.abs(), "rollouts of this step")

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
