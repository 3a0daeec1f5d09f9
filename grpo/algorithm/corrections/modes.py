"""From ρ to the weight of a token's loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What ρ may be; both ends are inside."""

    floor: float
    cap: float

    def outside(self, ratio: torch.Tensor) -> torch.Tensor:
        """(N,) bool."""
        return (ratio < self.floor) | (ratio > self.cap)


def truncate(ratio: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    """min(ρ, cap), (N,)."""
    return ratio.clamp(max=bounds.cap)


def mask(ratio: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    """ρ inside the bounds, 0 outside, (N,)."""
    return ratio.masked_fill(bounds.outside(ratio), 0.0)


def reject(ratio: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    """1 inside the bounds, 0 outside, (N,): for a ρ that decides about a completion and weighs none."""
    return torch.ones_like(ratio).masked_fill(bounds.outside(ratio), 0.0)


def off(ratio: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    """1, (N,)."""
    return torch.ones_like(ratio)
