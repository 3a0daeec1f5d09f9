"""`RowOps` in Triton: a chunk of logits is read once for its statistics, read and overwritten once for its gradient.

Importing this needs Triton. Under `TRITON_INTERPRET=1` it runs on the CPU.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
import triton

from . import triton_kernels as kernels
from .ops import Rows, RowStatistics, Upstream

WARPS = 4
GROUP_BYTES = 16
"""Of one load of a thread."""
LOADS = 4
"""Of a thread in one turn: how much is in flight, and how seldom running sums are rescaled."""
SEGMENT = 32768
"""Columns of a row that one program takes."""
CACHE_BYTES = 24 * 2**20
"""How much of a chunk the PTX form asks the second-level cache to keep; half of an H100's or H200's 50 MB."""


class TritonOps:
    """On CUDA, or interpreted. A row's result does not depend on the other rows of the chunk.

    `ptx`: 16-byte loads and stores with cache hints in inline PTX instead of Triton's own. Off by default: its gain has
    not been measured on a GPU. It needs rows that begin on 16 bytes; others go without.
    """

    def __init__(self, *, ptx: bool = False) -> None:
        self.ptx = ptx

    def statistics(self, logits: torch.Tensor, rows: Rows) -> RowStatistics:
        """Raises ValueError for logits that are not (n, V), float32 or bfloat16, with adjacent columns."""
        count, columns = _checked(logits)
        segments = triton.cdiv(columns, SEGMENT)
        partials = torch.empty((3, count, segments), device=logits.device, dtype=torch.float32)
        results = torch.empty((4, count), device=logits.device, dtype=torch.float32)
        scale, k = float(rows.scale), rows.scale * math.log2(math.e)
        targets, floor = _dense(rows.targets), _dense(rows.floor)
        if count:
            with _current(logits.device):
                kernels.statistics_kernel[(count * segments,)](
                    logits, floor, partials, logits.stride(0), columns, segments, k, self._keep(logits),
                    HAS_FLOOR=rows.floor is not None, ACCESS=self._access(logits), enable_fp_fusion=True,
                    **_shape(logits),
                )  # fmt: skip
                kernels.combine_kernel[(count,)](
                    logits, targets, partials, *results, logits.stride(0), segments, scale, k,
                    BLOCK=triton.next_power_of_2(segments), num_warps=1, enable_fp_fusion=False,
                )  # fmt: skip
        return RowStatistics(largest=results[0], log_sum=results[1], logprob=results[2], entropy=results[3])

    def gradient_(self, logits: torch.Tensor, rows: Rows, statistics: RowStatistics, upstream: Upstream) -> None:
        """Rows whose coefficients are 0 are set to 0 without being read. Raises ValueError as `statistics` does."""
        count, columns = _checked(logits)
        segments = triton.cdiv(columns, SEGMENT)
        if not count:
            return
        vectors = (
            rows.floor,
            rows.targets,
            statistics.largest,
            statistics.log_sum,
            statistics.entropy,
            upstream.logprob,
            upstream.entropy,
        )
        operands = [_dense(vector) for vector in vectors]
        with _current(logits.device):
            kernels.gradient_kernel[(count * segments,)](
                logits, *operands, logits.stride(0), columns, segments, float(rows.scale), self._keep(logits),
                HAS_FLOOR=rows.floor is not None, HAS_ENTROPY=upstream.entropy is not None,
                ACCESS=self._access(logits), enable_fp_fusion=False, **_shape(logits),
            )  # fmt: skip

    def add_outer_(self, total: torch.Tensor, gradient: torch.Tensor, hidden: torch.Tensor) -> None:
        """On CUDA cuBLAS accumulates into `total` itself: with a float32 `input` that is also `out`, `addmm` neither
        copies it nor forms the product apart (torch 2.10 and later)."""
        if gradient.is_cuda and gradient.dtype != torch.float32:
            torch.addmm(total, gradient.T, hidden, out_dtype=torch.float32, out=total)
        else:
            total.addmm_(gradient.T.float(), hidden.float())

    def _access(self, logits: torch.Tensor) -> int:
        aligned = logits.data_ptr() % GROUP_BYTES == 0 and logits.stride(0) * logits.element_size() % GROUP_BYTES == 0
        if not self.ptx or not aligned:
            return int(kernels.TILES.value)
        return int(kernels.WORDS.value if triton.knobs.runtime.interpret else kernels.PTX.value)

    def _keep(self, logits: torch.Tensor) -> float:
        """The fraction of the chunk that the cache is asked to keep."""
        return min(1.0, CACHE_BYTES / max(1, logits.numel() * logits.element_size()))


def _checked(logits: torch.Tensor) -> tuple[int, int]:
    if logits.ndim != 2 or logits.dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(f"logits must be (n, V), float32 or bfloat16, got {tuple(logits.shape)}, {logits.dtype}")
    if logits.shape[1] == 0 or logits.stride(1) != 1:
        raise ValueError(f"columns must be adjacent, got shape {tuple(logits.shape)}, strides {logits.stride()}")
    return logits.shape[0], logits.shape[1]


def _dense(vector: torch.Tensor | None) -> torch.Tensor | None:
    """Adjacent entries, as the kernels read them; a column of a matrix is copied."""
    return None if vector is None else vector.contiguous()


def _current(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device, which need not be the tensor's."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _shape(logits: torch.Tensor) -> dict[str, int]:
    """The constants of a launch."""
    width = GROUP_BYTES // logits.element_size()
    return {"SEGMENT": SEGMENT, "ROWS": LOADS, "GROUPS": 32 * WARPS, "WIDTH": width, "num_warps": WARPS}
