"""Rows in chunks through one reused buffer of logits, and the implementation of a device."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch

from grpo.kernels.native import NativeError

from .kept import Filters, kept_floor
from .ops import RowOps, Rows
from .torch_ops import TorchOps

CHUNK_ENTRIES = {"cpu": 80 * 10**6, "cuda": 156 * 10**6}
"""Logits of one bfloat16 chunk, by device: 512 rows of 152,000 on a CPU, 1,024 on a GPU."""
NARROWER = {"cpu": 4, "cuda": 2}
"""A float32 chunk has so many times fewer rows. On a CPU its products are no slower for it (1 % at 128 rows)."""
ALIGNMENT = 16
"""Elements."""
PLAIN_COPIES = 3
"""`TorchOps` holds about so many float32 copies of a chunk beside it; its chunks are smaller for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSettings:
    """The distribution tokens were sampled from."""

    temperature: float = 1.0
    top_p: float = 1.0
    """Below 1, log-probs are renormalised over the nucleus."""
    top_k: int = 0
    """Above 0, log-probs are renormalised over the k likeliest tokens."""
    min_p: float = 0.0
    """Above 0, log-probs are renormalised over the tokens at least this share as likely as the likeliest."""

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, got {self.top_p}")
        if self.top_k < 0:
            raise ValueError(f"top_k must be 0 (off) or above, got {self.top_k}")
        if not 0 <= self.min_p <= 1:
            raise ValueError(f"min_p must be from 0 (off) to 1, got {self.min_p}")

    @property
    def filtered(self) -> bool:
        """Whether it is less than the whole distribution."""
        return self.top_p < 1 or self.top_k > 0 or self.min_p > 0

    def rows(self, logits: torch.Tensor, targets: torch.Tensor) -> Rows:
        """Targets with the cut of this chunk's own logits (n, V)."""
        scale, floor = 1.0 / self.temperature, None
        if self.filtered:
            floor = kept_floor(logits, targets, Filters(scale, self.top_p, self.top_k, self.min_p))
        return Rows(targets=targets, scale=scale, floor=floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Hidden states (N, H), the head's weight (V, H) and the sampled tokens (N,), none of them carrying a graph."""

    hidden: torch.Tensor
    weight: torch.Tensor
    targets: torch.Tensor

    def chunks(self, rows_at_once: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """Each chunk's rows and its logits (n, V); the buffer behind them is reused."""
        count = self.hidden.shape[0]
        columns = self.weight.shape[0]
        # Rows that begin on 16 bytes: a GPU's accesses are narrow without.
        padded = columns if self.hidden.device.type == "cpu" else -(-columns // ALIGNMENT) * ALIGNMENT
        buffer = self.hidden.new_empty(min(rows_at_once, count), padded)[:, :columns]
        for first in range(0, count, rows_at_once):
            rows = slice(first, min(first + rows_at_once, count))
            logits = buffer[: rows.stop - first]
            torch.mm(self.hidden[rows], self.weight.T, out=logits)
            yield rows, logits


def rows_at_once(weight: torch.Tensor, ops: RowOps) -> int:
    """Rows of a chunk, so that its logits and what `ops` holds beside them stay within the device's bytes."""
    device = weight.device.type if weight.device.type in CHUNK_ENTRIES else "cpu"
    entries = CHUNK_ENTRIES[device] // (1 if weight.element_size() == 2 else NARROWER[device])
    beside = 4 * PLAIN_COPIES if isinstance(ops, TorchOps) else 0
    share = weight.element_size() / (weight.element_size() + beside)
    return max(1, int(entries * share) // weight.shape[0])


def ops_for(tensor: torch.Tensor) -> RowOps:
    """The fastest implementation for a tensor's device and dtype."""
    if tensor.dtype not in (torch.float32, torch.bfloat16):
        return TorchOps()
    if tensor.device.type == "cuda":
        return _triton_ops()
    return _cpu_ops() if tensor.device.type == "cpu" else TorchOps()


@cache
def _cpu_ops() -> RowOps:
    from .cpu_ops import CpuOps

    try:
        return CpuOps()
    except NativeError as error:
        warnings.warn(f"the output head runs in plain torch, which is slower: {error}", stacklevel=2)
        return TorchOps()


@cache
def _triton_ops() -> RowOps:
    from .triton_ops import TritonOps

    return TritonOps()
