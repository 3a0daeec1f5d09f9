"""One off-policy optimizer step under every loss and reduction, for comparing ways to split it.

The policy has moved since the rollout: old, sampler's and reference's log-probs are given per token, so that ratios,
clips, corrections and KL terms all take part, and any order or share of the groups is still the same step.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from grpo.algorithm.losses import LOSSES, LossInputs, LossSettings, LossTerms, StepTokens
from grpo.algorithm.reductions import REDUCTIONS, StepTotals
from grpo.config.slices import AlgorithmConfig, OptimizerConfig
from grpo.kernels.token_logprob import HeadSettings
from grpo.update.columns import StepColumns, columns_of
from grpo.update.experience import Branch, Tree
from grpo.update.meter import Meter
from grpo.update.mismatch import MismatchLimit
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy
from grpo.update.reinforce import PolicyUpdate, StepWork, UpdateSettings
from grpo.update.statistics import Join, alone
from tests.update.conftest import tiny_model

SAMPLING = HeadSettings(temperature=0.9)
SIZES = (4, 3, 5, 2, 4, 3, 4)
"""Completions of each group."""
INITIALIZER_RANGE = 0.1
"""Five times the usual one. At 0.3, which other tests have, float32 log-probs are themselves 9e-7 nats (root mean
square) off those in float64, different ones in each packing, and the loss follows by up to 1.3e-6 of itself."""
DEAD = 3
"""The group without advantages."""


@dataclass(frozen=True)
class Case:
    """What is learnt with."""

    loss: str
    reduction: str
    extras: bool
    """KL penalty, entropy bonus, and a correction over whole completions."""

    @property
    def name(self) -> str:
        return f"{self.loss}-{self.reduction}" + ("-extras" if self.extras else "")

    @property
    def algorithm(self) -> AlgorithmConfig:
        """Settings under which every loss does all it can: selections pick several tokens, clips stop some."""
        chosen = AlgorithmConfig(
            loss=self.loss,
            reduction=self.reduction,
            clip_high=0.28,
            dual_clip=1.5,
            covariance_share=0.1,
            covariance_low=0.0,
            covariance_high=50.0,
        )
        if not self.extras:
            return chosen
        return replace(chosen, kl_coef=0.1, entropy_coef=0.02, importance_level="sequence")


CASES = [Case(*values) for values in itertools.product(LOSSES, REDUCTIONS, (False, True))]
PICKED = Case("picked", "token_mean", False)
"""A loss of these tests: of some tokens, by their rank among the step's."""


def over_rank(tokens: StepTokens, settings: LossSettings) -> torch.Tensor:
    """1 for the tenth of the step's tokens with the most noise, times their completion's mean advantage."""
    picked = tokens.noise.argsort(descending=True)[: tokens.noise.numel() // 10]
    count = int(tokens.completion.max()) + 1
    sums = torch.zeros(count, dtype=torch.float64).index_add(0, tokens.completion, tokens.advantage.double())
    mean = sums / torch.bincount(tokens.completion, minlength=count)
    chosen = torch.zeros_like(tokens.logprob)
    chosen[picked] = mean[tokens.completion][picked].float()
    return chosen


def picked_logprob(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    assert inputs.over_step is not None
    none = torch.zeros_like(inputs.advantage, dtype=torch.bool)
    return LossTerms(loss=-inputs.over_step * inputs.logprob, clipped_low=none, clipped_high=none)


@dataclass(frozen=True)
class Step:
    """Trees and what is known of each completion's tokens: old, sampler's, reference's log-probs."""

    trees: list[Tree]
    known: dict[tuple[str, int], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]

    @property
    def totals(self) -> StepTotals:
        return totals_of(self.trees)

    def columns(self, trees: Sequence[Tree], device: torch.device) -> StepColumns:
        rows = [self.known[tree.prompt_id, branch.index] for tree in trees for branch in tree.branches]
        old, sampler, reference = (
            torch.cat([row[place] for row in rows]) if rows else torch.empty(0) for place in range(3)
        )
        columns = columns_of(trees, device)
        return replace(columns, old_logprob=old, sampler_logprob=sampler, reference_logprob=reference)


def totals_of(trees: Sequence[Tree]) -> StepTotals:
    return StepTotals(
        prompts=len(trees),
        completions=sum(len(tree.branches) for tree in trees),
        tokens=sum(tree.tokens for tree in trees),
        max_tokens=9,
    )


def step_of(policy: Policy) -> Step:
    """Seven groups of random tokens; ratios up to e^0.6 either way, sampler's mismatch up to 0.15 nats a token."""
    rng = random.Random(11)
    trees = [tree_of(number, size, rng) for number, size in enumerate(SIZES)]
    flat = policy.tree_logprobs(trees, PackingLimits(micro_batch=64), SAMPLING)
    branches = [(tree.prompt_id, branch) for tree in trees for branch in tree.branches]
    own = torch.split(flat, [len(branch.token_ids) for _, branch in branches])
    known = {}
    for (prompt_id, branch), now in zip(branches, own, strict=True):
        old = now + noise(rng, len(now), 0.6)
        known[prompt_id, branch.index] = (old, old + noise(rng, len(now), 0.15), now + noise(rng, len(now), 0.5))
    return Step(trees, known)


def tree_of(number: int, size: int, rng: random.Random) -> Tree:
    branches = []
    for index in range(size):
        ids = tuple(rng.randrange(23) for _ in range(rng.randint(1, 9)))
        value = 0.0 if number == DEAD else rng.gauss(0, 1)
        per_token = tuple(value + rng.gauss(0, 1) for _ in ids) if number == 5 else value
        branches.append(Branch(token_ids=ids, sampler_logprobs=(0.0,) * len(ids), advantage=per_token, index=index))
    prompt = tuple(rng.randrange(23) for _ in range(rng.randint(2, 7)))
    return Tree(prompt_ids=prompt, branches=tuple(branches), prompt_id=f"p{number}")


def noise(rng: random.Random, count: int, most: float) -> torch.Tensor:
    return torch.tensor([rng.uniform(-most, most) for _ in range(count)])


class Learner:
    """A policy that takes one gradient after another, never a step."""

    def __init__(self) -> None:
        self.model = tiny_model(num_hidden_layers=1, initializer_range=INITIALIZER_RANGE)
        self.policy = Policy(self.model)
        self.step = step_of(self.policy)

    def gradient(
        self,
        case: Case,
        trees: Sequence[Tree],
        micro_batch: int,
        join: Join = alone,
        totals: StepTotals | None = None,
    ) -> tuple[float, torch.Tensor]:
        """Loss and flat gradient of a share of the step, its groups in this order, in such micro-batches.

        `totals` stand in for those of the whole step.
        """
        self.model.zero_grad(set_to_none=True)
        settings = UpdateSettings(
            algorithm=case.algorithm,
            sampling=SAMPLING,
            max_tokens=9,
            optimizer_steps=1,
            limits=PackingLimits(micro_batch=micro_batch),
            mismatch=MismatchLimit(statistic="max", value=1.0),
        )
        update = PolicyUpdate(self.policy, Optimizer(self.model, OptimizerConfig(), steps=1), settings, None)
        update.join = join
        live = [tree for tree in trees if tree.live or case.extras]
        columns = self.step.columns(live, self.model.device)
        if not case.extras:
            columns = replace(columns, reference_logprob=None)
        work = StepWork(live=live, columns=columns, totals=totals or self.step.totals, noise_key=(0, "test", 3))
        meter = Meter()
        update.learn(work, meter)
        flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.model.parameters()]
        return meter.read().get("loss", 0.0), torch.cat([one.flatten() for one in flat])


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Norm of the difference over the norm."""
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())
