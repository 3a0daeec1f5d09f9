"""The k3 estimate weighed by the policy's ratio (DeepSeek-V3.2): unbiased off-policy, in value and in gradient."""

from __future__ import annotations

import torch

from grpo.algorithm.kl.k3 import k3


def k3_unbiased(logprob: torch.Tensor, reference_logprob: torch.Tensor, old_logprob: torch.Tensor) -> torch.Tensor:
    """exp(logprob - old_logprob) · k3 per token: (N,), nats, never negative; the ratio carries a gradient too."""
    return torch.exp(logprob - old_logprob) * k3(logprob, reference_logprob, old_logprob)
