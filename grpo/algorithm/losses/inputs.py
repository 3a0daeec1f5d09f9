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
    """(N,) float32: the completion's advantage, repeated on each of its tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRange:
    """The ratio may leave [1 - low, 1 + high] only against the advantage."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LossTerms:
    """Per-token results; nothing here is summed."""

    loss: torch.Tensor
    """(N,) float32, to be minimised."""
    clipped_low: torch.Tensor
    """(N,) bool: advantage < 0 and ratio < 1 - low, no gradient."""
    clipped_high: torch.Tensor
    """(N,) bool: advantage > 0 and ratio > 1 + high, no gradient."""
