"""Repeated n-grams of a sequence, in linear memory and n + log N passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(31)

Bools = np.ndarray[Any, np.dtype[np.bool_]]


def repeats(ids: Sequence[int], n: int) -> Bools:
    """(max(N - n + 1, 0),) True where the n-gram that starts here has occurred before.

    n-grams are compared by a 64-bit hash: of 100,000 different ones two are taken as equal with probability 3e-10.
    """
    if len(ids) < n:
        return np.zeros(0, dtype=np.bool_)
    mixed = np.asarray(ids, dtype=np.int64).astype(np.uint64) * _MULTIPLIER
    mixed = (mixed ^ (mixed >> _SHIFT)) * _MULTIPLIER
    count = len(ids) - n + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for offset in range(n):
        hashes = (hashes ^ (hashes >> _SHIFT)) * _MULTIPLIER + mixed[offset : offset + count]
    _, first = np.unique(hashes, return_index=True)
    repeated = np.ones(count, dtype=np.bool_)
    repeated[first] = False
    return repeated
