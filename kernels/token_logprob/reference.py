"""The plain form: every logit of the rows at hand is formed once, in float32."""

from __future__ import annotations

import torch


def token_logprob_reference(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """z = hidden·weightᵀ / temperature; logprob = z[target] - logsumexp(z); entropy = logsumexp(z) - Σ softmax(z)·z.

    hidden (N, H), weight (V, H), targets (N,) int64 → logprob (N,) and entropy (N,), float32, nats.
    The entropy carries no gradient.
    """
    logits = (hidden @ weight.T).float() / temperature
    normaliser = torch.logsumexp(logits, dim=-1)
    logprob = logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1) - normaliser
    with torch.no_grad():
        probability = torch.exp(logits - normaliser.unsqueeze(-1))
        entropy = normaliser - (probability * logits).sum(-1)
    return logprob, entropy
