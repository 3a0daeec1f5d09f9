"""The loss of sampled tokens: what `algorithm` says, over facts that are known before the forward pass."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from grpo.algorithm.corrections import WEIGHTS, Bounds
from grpo.algorithm.kl import ESTIMATORS
from grpo.algorithm.losses import LOSSES, LossInputs, LossSettings, LossTerms
from grpo.algorithm.reductions import REDUCTIONS, StepTotals, TokenCounts
from grpo.config.slices import AlgorithmConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """Of N sampled tokens; log-probs in nats."""

    counts: TokenCounts
    advantage: torch.Tensor
    """(N,) float32."""
    sampler: torch.Tensor
    """(N,) float32: log-prob when it was sampled."""
    old: torch.Tensor | None
    """(N,) float32: the trainer's log-prob at the start of the rollout step; None: this is its first optimizer step."""
    reference: torch.Tensor | None
    """(N,) float32 under the reference; None: there is none."""
    importance_ratio: torch.Tensor | None = None
    """(N,) float32: trainer to sampler, where it depends on whole completions."""
    over_step: torch.Tensor | None = None
    """(N,) float32: see `LossInputs.over_step`."""

    def part(self, rows: slice) -> TokenFacts:
        """Of some of the tokens."""
        kept: dict[str, Any] = {
            item.name: column[rows]
            for item in fields(self)
            if item.name != "counts" and (column := getattr(self, item.name)) is not None
        }
        counts = TokenCounts(completion=self.counts.completion[rows], prompt=self.counts.prompt[rows])
        return replace(self, counts=counts, **kept)

    def anchor(self, logprob: torch.Tensor) -> torch.Tensor:
        """(N,) log-prob under the policy at the start of the rollout step."""
        return logprob.detach() if self.old is None else self.old


class StepObjective:
    """Σ_t w_t · (c_t · ℓ_t + β · kl_t - η · H_t), see docs/algorithm.md; the totals are the whole optimizer step's."""

    def __init__(self, algorithm: AlgorithmConfig, totals: StepTotals) -> None:
        self._algorithm, self._totals = algorithm, totals
        self._loss, self._reduction = LOSSES[algorithm.loss], REDUCTIONS[algorithm.reduction]
        self._settings = loss_settings(algorithm)
        self._weight = WEIGHTS[algorithm.importance, algorithm.importance_level]
        self.bounds = Bounds(floor=algorithm.importance_floor, cap=algorithm.importance_cap)
        """What the trainer-to-sampler ratio may be."""
        self.corrects = algorithm.importance != "off"

    def __call__(self, logprob: torch.Tensor, entropy: torch.Tensor, facts: TokenFacts) -> torch.Tensor:
        """The share of these N tokens in the step's loss, () float64."""
        per_token = self.terms(logprob, facts).loss * self.correction(logprob, facts)
        if facts.reference is not None:
            per_token = per_token + self._algorithm.kl_coef * self.kl(logprob, facts)
        if self._algorithm.entropy_coef:
            per_token = per_token - self._algorithm.entropy_coef * entropy
        # The terms nearly cancel: a float32 sum would keep few digits, and others for another split of the step.
        return (per_token * self._reduction(facts.counts, self._totals)).double().sum()

    def terms(self, logprob: torch.Tensor, facts: TokenFacts) -> LossTerms:
        """The token loss before correction, penalty and weight."""
        inputs = LossInputs(
            logprob=logprob,
            old_logprob=facts.anchor(logprob),
            advantage=facts.advantage,
            over_step=facts.over_step,
        )
        return self._loss(inputs, self._settings)

    def kl(self, logprob: torch.Tensor, facts: TokenFacts) -> torch.Tensor:
        """The estimate of KL(policy || reference) of each token, (N,), nats."""
        assert facts.reference is not None
        return ESTIMATORS[self._algorithm.kl_estimator](logprob, facts.reference, facts.anchor(logprob))

    def correction(self, logprob: torch.Tensor, facts: TokenFacts) -> torch.Tensor:
        """The weight for the sampler's mismatch, (N,), without gradient."""
        return self._weight(importance_ratio(logprob, facts), self.bounds)


def loss_settings(algorithm: AlgorithmConfig) -> LossSettings:
    """The knobs of the losses, out of the slice."""
    return LossSettings(**{item.name: getattr(algorithm, item.name) for item in fields(LossSettings)})


def importance_ratio(logprob: torch.Tensor, facts: TokenFacts) -> torch.Tensor:
    """How much likelier the trainer finds what the sampler drew, (N,): exp(anchor - sampler), or over completions."""
    if facts.importance_ratio is not None:
        return facts.importance_ratio
    return torch.exp(facts.anchor(logprob) - facts.sampler)
