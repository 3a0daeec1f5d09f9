"""The k1 estimate of KL(policy || reference) (Schulman, *Approximating KL Divergence*, 2020): unbiased, of either sign.

It belongs into the reward. As a loss its gradient is ∇logprob, whatever the reference says: 0 in expectation on-policy.
"""

from __future__ import annotations

import torch


def k1(logprob: torch.Tensor, reference_logprob: torch.Tensor, old_logprob: torch.Tensor) -> torch.Tensor:
    """d per token, d = logprob - reference_logprob: (N,), nats."""
    return logprob - reference_logprob
