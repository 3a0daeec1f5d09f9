"""The k2 estimate of KL(policy || reference) (Schulman, *Approximating KL Divergence*, 2020): low variance, some bias.

As a loss its gradient is d·∇logprob: on-policy and in expectation the gradient of KL(policy || reference) (arXiv
2510.01555).
"""

from __future__ import annotations

import torch


def k2(logprob: torch.Tensor, reference_logprob: torch.Tensor, old_logprob: torch.Tensor) -> torch.Tensor:
    """d² / 2 per token, d = logprob - reference_logprob: (N,), nats, never negative."""
    return (logprob - reference_logprob).square() / 2
