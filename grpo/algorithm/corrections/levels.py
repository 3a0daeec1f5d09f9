"""ρ = π_old / μ of every token: its own, or one number for its whole completion."""

from __future__ import annotations

import torch

LARGEST_LOG = 80.0
"""Products leave float32's range within a few hundred tokens; beyond e^80 (5.5e34) or e^-80 they stay there."""


def token(log_ratio: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """ρ_t, (S,), of log ρ_t (S,)."""
    return torch.exp(log_ratio)


def sequence(log_ratio: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Π_t ρ_t over the token's completion, (S,) float32; `length` (C,) int64 tokens of each, in the order of (S,)."""
    return _spread(_log_product(log_ratio, length), length)


def geometric(log_ratio: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """(Π_t ρ_t)^(1/T) over the token's completion of T tokens, (S,) float32."""
    return _spread(_log_product(log_ratio, length) / length, length)


def _log_product(log_ratio: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """(C,) float64: a sum of thousands of small logs, each one completion in its own order."""
    assert log_ratio.shape == (int(length.sum()),), (log_ratio.shape, length.shape)
    # `unsafe` leaves out a check that the assertion above makes and that fails on no completions at all.
    return torch.segment_reduce(log_ratio.double(), "sum", lengths=length, axis=0, unsafe=True)


def _spread(log_value: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    value = torch.exp(log_value.clamp(-LARGEST_LOG, LARGEST_LOG)).float()
    return torch.repeat_interleave(value, length)
