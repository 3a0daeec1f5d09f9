"""The plain form, every logit formed at once: what the chunked one is compared with."""

from __future__ import annotations

import torch


def token_logprob_reference(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """z = hidden·weightᵀ / temperature; logprob = z[target] - logsumexp(z); entropy = logsumexp(z) - Σ softmax(z)·z.

    hidden (N, H), weight (V, H), targets (N,) int64 → logprob (N,) and entropy (N,), nats, in float32 or, for float64
    input, in float64. Both carry gradients.
    """
    logits = hidden @ weight.T
    logits = (logits if logits.dtype == torch.float64 else logits.float()) / temperature
    normaliser = torch.logsumexp(logits, dim=-1)
    logprob = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - normaliser
    entropy = normaliser - (torch.exp(logits - normaliser.unsqueeze(-1)) * logits).sum(-1)
    return logprob, entropy
