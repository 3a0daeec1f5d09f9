"""Validates, and picks the implementation."""

from __future__ import annotations

import torch

from .chunked import token_logprob_chunked
from .reference import token_logprob_reference

LARGEST_LOGITS = 2**25
"""Elements of the logits formed at once; above it rows go in chunks (2**25 float32 are 128 MiB)."""


def token_logprob(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-prob and entropy (N,), float32, nats, of `targets` (N,) under softmax(hidden·weightᵀ / temperature).

    hidden (N, H), weight (V, H). Raises ValueError for shapes that do not fit and a temperature that is not positive.
    """
    if hidden.ndim != 2 or weight.ndim != 2 or hidden.shape[1] != weight.shape[1]:
        raise ValueError(f"hidden (N, H) and weight (V, H) must share H, got {_shape(hidden)} and {_shape(weight)}")
    if targets.shape != hidden.shape[:1]:
        raise ValueError(f"targets must be ({hidden.shape[0]},), got {_shape(targets)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    chunk_rows = max(1, LARGEST_LOGITS // weight.shape[0])
    if hidden.shape[0] <= chunk_rows:
        return token_logprob_reference(hidden, weight, targets, temperature)
    return token_logprob_chunked(hidden, weight, targets, temperature, chunk_rows)


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
