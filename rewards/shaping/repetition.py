"""Penalty for repeated n-grams of tokens (Demystifying Long Chain-of-Thought, arXiv 2502.03373, appendix C.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from grpo.rewards.ngrams import repeats


class RepetitionPenalty:
    """`max_penalty` × the share of a completion's n-grams that have occurred before in it.

        max_penalty · (1 - distinct n-grams / n-grams),   n-grams of token ids

    0 for a completion without repetition or shorter than n tokens. The paper gives -0.05 to every *token* of a repeated
    40-gram; as one number per completion, this is the form of its scalar variant, with TRL's scale of -1. Long n-grams
    leave the turns of phrase of ordinary reasoning alone; TRL's 3 punishes them too.

    Args:
        ngram_tokens: n, tokens.
        max_penalty: what a completion that only repeats itself tends to; at most 0.

    Raises:
        ValueError: a setting is out of range.
    """

    def __init__(self, *, ngram_tokens: int = 20, max_penalty: float = -1.0) -> None:
        if not 1 <= ngram_tokens <= 1000:
            raise ValueError(f"ngram_tokens {ngram_tokens} must lie between 1 and 1000")
        if not (math.isfinite(max_penalty) and max_penalty <= 0):
            raise ValueError(f"max_penalty {max_penalty} must be 0 or a finite negative number")
        self._n = ngram_tokens
        self._max_penalty = max_penalty

    def __call__(self, completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
        """One penalty in [max_penalty, 0] per completion."""
        return [self._penalty(ids) for ids in completion_ids]

    def _penalty(self, ids: Sequence[int]) -> float:
        repeated = repeats(ids, self._n)
        return self._max_penalty * float(repeated.mean()) if repeated.any() else 0.0
