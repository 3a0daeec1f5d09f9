"""The k3 estimate of KL(policy || reference) used by GRPO (arXiv 2402.03300, eq. 4; Schulman 2020)."""

from __future__ import annotations

import torch


def k3(logprob: torch.Tensor, reference_logprob: torch.Tensor, old_logprob: torch.Tensor) -> torch.Tensor:
    """exp(-d) + d - 1 per token, d = logprob - reference_logprob: (N,), nats, never negative."""
    difference = logprob - reference_logprob
    return torch.exp(-difference) + difference - 1
