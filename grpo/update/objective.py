"""The loss of sampled tokens: what `algorithm` says, over facts that are known before the forward pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from grpo.algorithm.kl import k3
from grpo.algorithm.losses import LOSSES, ClipRange, LossInputs, LossTerms
from grpo.algorithm.reductions import REDUCTIONS, StepTotals
from grpo.config.slices import AlgorithmConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """Of N sampled tokens; log-probs in nats."""

    advantage: torch.Tensor
    """(N,) float32: the completion's."""
    length: torch.Tensor
    """(N,) int64: tokens of the completion each belongs to."""
    sampler: torch.Tensor
    """(N,) float32: log-prob when it was sampled."""
    old: torch.Tensor | None
    """(N,) float32: the trainer's log-prob at the start of the rollout step; None: this is its first optimizer step."""
    reference: torch.Tensor | None
    """(N,) float32 under the reference; None: there is none."""

    def part(self, rows: slice) -> TokenFacts:
        """Of some of the tokens."""
        return TokenFacts(
            advantage=self.advantage[rows],
            length=self.length[rows],
            sampler=self.sampler[rows],
            old=None if self.old is None else self.old[rows],
            reference=None if self.reference is None else self.reference[rows],
        )

    def anchor(self, logprob: torch.Tensor) -> torch.Tensor:
        """(N,) log-prob under the policy at the start of the rollout step."""
        return logprob.detach() if self.old is None else self.old


class StepObjective:
    """Σ_t w_t · (c_t · ℓ_t + β · k3_t), see docs/algorithm.md; the totals are those of the whole optimizer step."""

    def __init__(self, algorithm: AlgorithmConfig, totals: StepTotals) -> None:
        self._algorithm, self._totals = algorithm, totals
        self._loss, self._reduction = LOSSES[algorithm.loss], REDUCTIONS[algorithm.reduction]
        self._clip = ClipRange(low=algorithm.clip_low, high=algorithm.clip_high)

    def __call__(self, logprob: torch.Tensor, facts: TokenFacts) -> torch.Tensor:
        """The share of these N tokens in the step's loss, ()."""
        per_token = self.terms(logprob, facts).loss * self.correction(logprob, facts)
        if facts.reference is not None:
            per_token = per_token + self._algorithm.kl_coef * k3(logprob, facts.reference)
        return (per_token * self._reduction(facts.length, self._totals)).sum()

    def terms(self, logprob: torch.Tensor, facts: TokenFacts) -> LossTerms:
        """The token loss before correction, penalty and weight."""
        return self._loss(
            LossInputs(logprob=logprob, old_logprob=facts.anchor(logprob), advantage=facts.advantage), self._clip
        )

    def correction(self, logprob: torch.Tensor, facts: TokenFacts) -> torch.Tensor:
        """Truncated importance sampling: min(exp(anchor - sampler), cap), (N,), without gradient."""
        return importance_ratio(logprob, facts).clamp(max=self._algorithm.importance_cap)


def importance_ratio(logprob: torch.Tensor, facts: TokenFacts) -> torch.Tensor:
    """exp(anchor - sampler), (N,): how much likelier the trainer finds what the sampler drew."""
    return torch.exp(facts.anchor(logprob) - facts.sampler)
