"""What an implementation offers: three operations on a chunk of n rows of logits. The other two matrix products are
torch's, see `one_pass.py`.

With z = logits · scale over the kept entries of a row (all of them, unless `floor` says otherwise), t the target:

    logprob = z_t - lse(z)      p = exp(z - lse(z))      entropy = -Σ p log p
    d loss / d logits_v = scale · ( c · (1[v = t] - p_v)  -  e · p_v · (log p_v + entropy) )

with c = d loss / d logprob and e = d loss / d entropy of the row. Entries that are not kept have no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Which entry of each row was sampled, and from what distribution."""

    targets: torch.Tensor
    """(n,) int64."""
    scale: float
    """1 / temperature."""
    floor: torch.Tensor | None = None
    """(n,) float32: logits below it were cut off by min-p, top-k or top-p (the target never is); None: nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStatistics:
    """Of each row, (n,) float32, nats."""

    largest: torch.Tensor
    """The largest logit of the row, not scaled. lse(z) = scale · largest + log_sum, kept apart: their sum would round
    away what the shares of a sharply peaked row need."""
    log_sum: torch.Tensor
    """log Σ exp(scale · (logit - largest)) over what is kept."""
    logprob: torch.Tensor
    entropy: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Derivatives of the loss with respect to a row's results, (n,) float32."""

    logprob: torch.Tensor
    entropy: torch.Tensor | None = None
    """None: the entropy carries no gradient."""


class RowOps(Protocol):
    """Of one device. Sums are kept in float32 at least, in an order that does not change between calls."""

    def statistics(self, logits: torch.Tensor, rows: Rows) -> RowStatistics:
        """`logits` (n, V), float32 or bfloat16, row-contiguous; left as they are."""
        ...

    def gradient_(self, logits: torch.Tensor, rows: Rows, statistics: RowStatistics, upstream: Upstream) -> None:
        """Overwrite `logits` (n, V) with d loss / d logits, rounded once to their dtype."""
        ...

    def add_outer_(self, total: torch.Tensor, gradient: torch.Tensor, hidden: torch.Tensor) -> None:
        """`total` (V, H) float32 += gradientᵀ (V, n) · hidden (n, H), both of one dtype; accumulated in float32."""
        ...
