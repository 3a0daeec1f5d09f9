"""k3 weighted by the policy's ratio (DeepSeek-V3.2, arXiv 2512.02556, section on the unbiased KL estimate).

The ratio carries gradient. r·k3 then has the gradient r·d·∇logprob, in expectation over the old policy's samples that
of KL(policy || reference), on-policy and off. TRL calls it `use_bias_correction_kl`.
"""

from __future__ import annotations

import torch

from grpo.algorithm.kl.k3 import k3


def k3_unbiased(logprob: torch.Tensor, reference_logprob: torch.Tensor, old_logprob: torch.Tensor) -> torch.Tensor:
    """r·k3 per token, r = exp(logprob - old_logprob): (N,), nats, never negative."""
    return torch.exp(logprob - old_logprob) * k3(logprob, reference_logprob, old_logprob)
