"""Soft overlong punishment (DAPO, arXiv 2503.14476, equation 13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SoftOverlongPunishment:
    """A penalty that grows linearly over the last tokens before the limit.

    With y the completion's length in tokens, its end-of-sequence token included:

        0                                         for y ≤ max_tokens - cache_tokens
        (max_tokens - cache_tokens - y) / cache_tokens   up to max_tokens
        -1                                        above

    The paper samples up to 20,480 tokens with a cache of 4,096, the defaults.

    Args:
        max_tokens: L_max, tokens.
        cache_tokens: L_cache, tokens, at most `max_tokens`; 0 punishes only what is longer than `max_tokens`.

    Raises:
        ValueError: a setting is out of range.
    """

    def __init__(self, *, max_tokens: int = 20_480, cache_tokens: int = 4_096) -> None:
        if max_tokens < 1:
            raise ValueError(f"max_tokens {max_tokens} must be at least 1")
        if not 0 <= cache_tokens <= max_tokens:
            raise ValueError(f"cache_tokens {cache_tokens} must lie between 0 and max_tokens {max_tokens}")
        self._max_tokens = max_tokens
        self._cache_tokens = cache_tokens

    def __call__(self, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        """One penalty in [-1, 0] per completion."""
        return [self._penalty(len(ids)) for ids in completion_ids]

    def _penalty(self, length: int) -> float:
        free = self._max_tokens - self._cache_tokens
        if length <= free:
            return 0.0
        return (free - length) / self._cache_tokens if length <= self._max_tokens else -1.0
