"""The k3 estimate of KL(policy || reference) used by GRPO (arXiv 2402.03300, eq. 4; Schulman 2020).

Unbiased as a value. As a loss its gradient is (1 - exp(-d))·∇logprob, to first order in d that of the KL (arXiv
2510.01555), bounded above and not below: tokens the reference finds much likelier pull hard. Nothing is clamped; a
value that is not finite stops the run, where a clamp would silence the tokens furthest from the reference.
"""

from __future__ import annotations

import torch


def k3(logprob: torch.Tensor, reference_logprob: torch.Tensor, old_logprob: torch.Tensor) -> torch.Tensor:
    """exp(-d) + d - 1 per token, d = logprob - reference_logprob: (N,), nats, never negative."""
    difference = logprob - reference_logprob
    return torch.exp(-difference) + difference - 1
