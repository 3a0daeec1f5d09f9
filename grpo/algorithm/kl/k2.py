"""The k2 estimate of KL(policy || reference) (Schulman 2020): biased as a value, its gradient is the KL's on-policy."""

from __future__ import annotations

import torch


def k2(logprob: torch.Tensor, reference_logprob: torch.Tensor, old_logprob: torch.Tensor) -> torch.Tensor:
    """d² / 2 per token, d = logprob - reference_logprob: (N,), nats, never negative."""
    return (logprob - reference_logprob).square() / 2
