"""The k1 estimate of KL(policy || reference) (Schulman 2020): unbiased as a value, its gradient is 0 on average."""

from __future__ import annotations

import torch


def k1(logprob: torch.Tensor, reference_logprob: torch.Tensor, old_logprob: torch.Tensor) -> torch.Tensor:
    """logprob - reference_logprob per token: (N,), nats, of either sign."""
    return logprob - reference_logprob
