"""`RowOps` on x86-64 processors with AVX512-BF16 (AMD from Zen 4, Intel from Cooper Lake): `cpu_ops.c` behind ctypes.

Nothing is copied: a row is read once for its statistics and once for its gradient, which replaces it. The outer
product of bfloat16 operands is summed in float32 registers, which torch's own product cannot do on a CPU.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch

from grpo.kernels.native import load_native

from .ops import Rows, RowStatistics, Upstream

SOURCE = Path(__file__).with_name("cpu_ops.c")
NEEDS = "avx512_bf16"
OUTER_ROWS = 128
"""Rows of the outer product that one thread works on at a time, `ROWS` in the source."""


class CpuOps:
    """Raises NativeError where the source cannot be compiled or run."""

    def __init__(self) -> None:
        self._library = load_native(SOURCE, NEEDS)
        self._library.add_outer.restype = ctypes.c_int

    def statistics(self, logits: torch.Tensor, rows: Rows) -> RowStatistics:
        count = _checked(logits, rows)
        result = torch.empty(4, count)
        shared = (_integer(logits.shape[1]), _place(rows.targets), ctypes.c_float(rows.scale), _place(rows.floor))
        results = [_place(one) for one in result]
        _in_threads(
            lambda first, last: self._library.statistics(*_matrix(logits), first, last, *shared, *results), count, 1
        )
        return RowStatistics(largest=result[0], log_sum=result[1], logprob=result[2], entropy=result[3])

    def gradient_(self, logits: torch.Tensor, rows: Rows, statistics: RowStatistics, upstream: Upstream) -> None:
        count = _checked(logits, rows)
        found = (statistics.largest, statistics.log_sum, statistics.entropy)
        columns = (rows.floor, *found, upstream.logprob, upstream.entropy)
        assert all(one is None or _is_column(one, count) for one in columns), [one and one.shape for one in columns]
        shared = (_integer(logits.shape[1]), _place(rows.targets), ctypes.c_float(rows.scale), *map(_place, columns))
        _in_threads(lambda first, last: self._library.gradient(*_matrix(logits), first, last, *shared), count, 1)

    def add_outer_(self, total: torch.Tensor, gradient: torch.Tensor, hidden: torch.Tensor) -> None:
        assert total.shape == (gradient.shape[1], hidden.shape[1]), (total.shape, gradient.shape, hidden.shape)
        assert gradient.shape[0] == hidden.shape[0] and gradient.dtype == hidden.dtype, (gradient.shape, hidden.shape)
        assert total.dtype == torch.float32 and total.is_contiguous(), (total.dtype, total.stride())
        if gradient.dtype == torch.float32:
            total.addmm_(gradient.T, hidden)
            return
        gradient, hidden = gradient.contiguous(), hidden.contiguous()
        places = [_place(one) for one in (total, gradient, hidden)]
        sizes = [_integer(size) for size in (*total.shape, gradient.shape[0])]

        def work(first: ctypes.c_int64, last: ctypes.c_int64) -> None:
            if self._library.add_outer(*places, first, last, *sizes):
                raise MemoryError("no memory for the packed operands of the head's gradient")

        _in_threads(work, total.shape[0], OUTER_ROWS)


def _checked(logits: torch.Tensor, rows: Rows) -> int:
    """The number of rows; C would not notice what does not fit."""
    count, vocabulary = logits.shape
    assert logits.is_contiguous() and logits.dtype in (torch.float32, torch.bfloat16), (logits.dtype, logits.stride())
    assert rows.targets.shape == (count,) and rows.targets.dtype == torch.int64, rows.targets.shape
    assert rows.targets.is_contiguous() and rows.targets.device.type == "cpu" == logits.device.type
    assert count == 0 or 0 <= int(rows.targets.min()) <= int(rows.targets.max()) < vocabulary, "target out of range"
    assert rows.floor is None or _is_column(rows.floor, count), rows.floor.shape
    return count


def _is_column(tensor: torch.Tensor, count: int) -> bool:
    return tensor.shape == (count,) and tensor.dtype == torch.float32 and tensor.is_contiguous()


def _matrix(logits: torch.Tensor) -> tuple[ctypes.c_void_p, ctypes.c_int]:
    return ctypes.c_void_p(logits.data_ptr()), ctypes.c_int(logits.dtype == torch.bfloat16)


def _place(tensor: torch.Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _integer(value: int) -> ctypes.c_int64:
    return ctypes.c_int64(value)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="token_logprob")


def _in_threads(work: Callable[[ctypes.c_int64, ctypes.c_int64], None], count: int, step: int) -> None:
    """`work(first, last)` over all of `count`, in one part per thread of torch's, borders at multiples of `step`.

    Each row is computed by one thread in one order, so the result does not depend on how many there are.
    """
    threads = max(1, min(torch.get_num_threads(), -(-count // step)))
    borders = [min(count, -(-count * part // threads // step) * step) for part in range(threads)] + [count]
    ranges = [(_integer(first), _integer(last)) for first, last in pairwise(borders)]
    others = [_pool(torch.get_num_threads()).submit(work, *part) for part in ranges[1:]]
    work(*ranges[0])
    for other in others:
        other.result()
