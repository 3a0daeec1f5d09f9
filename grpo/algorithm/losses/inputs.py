"""What goes into and comes out of a token loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class LossInputs:
    """N sampled tokens of one micro-batch; log-probs in nats."""

    logprob: torch.Tensor
    """(N,) float32 under the policy being updated; carries the gradient."""
    old_logprob: torch.Tensor
    """(N,) float32 under the policy at the start of the rollout step; on-policy: `logprob` detached."""
    advantage: torch.Tensor
    """(N,) float32: the token's, in most estimators the same on all tokens of a completion."""
    over_step: torch.Tensor | None = None
    """(N,) or (N, K) float32: what the loss's own function in `OVER_STEP` says of each token; None: it has none."""

    @property
    def log_ratio(self) -> torch.Tensor:
        """(N,) nats: the log of r = policy / old policy, with gradient."""
        return self.logprob - self.old_logprob

    @property
    def answer(self) -> torch.Tensor:
        """`over_step`, which the caller must have asked for."""
        assert self.over_step is not None, "this loss has a function in OVER_STEP; its answer is missing"
        assert len(self.over_step) == len(self.logprob), (self.over_step.shape, self.logprob.shape)
        return self.over_step


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTokens:
    """All S sampled tokens of one optimizer step, as the policy stands before it; nothing carries a gradient."""

    logprob: torch.Tensor
    """(S,) float32."""
    old_logprob: torch.Tensor
    """(S,) float32: equal to `logprob` in the first optimizer step of a rollout."""
    advantage: torch.Tensor
    """(S,) float32."""
    completion: torch.Tensor
    """(S,) int64: which completion each belongs to, counted from 0 in the order of the step."""
    noise: torch.Tensor
    """(S,) float64 in [0, 1), drawn from (seed, step, completion, position) alone: for selections at random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSettings:
    """The knobs of the losses; `AlgorithmConfig` explains them."""

    clip_low: float = 0.2
    """The ratio may leave [1 - clip_low, 1 + clip_high] only against the advantage."""
    clip_high: float = 0.2
    dual_clip: float = 0.0
    sapo_positive: float = 1.0
    sapo_negative: float = 1.05
    covariance_share: float = 0.0002
    covariance_low: float = 1.0
    covariance_high: float = 5.0
    covariance_coef: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTerms:
    """Per-token results; nothing here is summed."""

    loss: torch.Tensor
    """(N,) float32, to be minimised."""
    clipped_low: torch.Tensor
    """(N,) bool: the loss was bounded because the ratio is low. Unless the loss says otherwise: advantage < 0, ratio <
    1 - clip_low, no gradient."""
    clipped_high: torch.Tensor
    """(N,) bool: the loss was bounded because the ratio is high. Unless the loss says otherwise: advantage > 0 and
    ratio > 1 + clip_high, or dual clip; no gradient."""

    @staticmethod
    def unclipped(loss: torch.Tensor) -> LossTerms:
        """Of a loss without bounds."""
        nowhere = torch.zeros_like(loss, dtype=torch.bool)
        return LossTerms(loss=loss, clipped_low=nowhere, clipped_high=nowhere)
