"""Which words of a text are new, and which only repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from grpo.rewards.language.words import Gap, Word
from grpo.rewards.ngrams import repeats

PHRASE = 12
"""Units of a phrase whose second occurrence counts as repeated: words, or letters of a script without spaces."""
_SPACELESS = frozenset({"han", "kana", "thai"})


def fresh_parts(words: Sequence[Word]) -> list[float]:
    """For each word the part of it, 0 to 1, that does not repeat an earlier sentence or phrase.

    Sentences are compared by their words alone, so that neither numbers nor punctuation make them different.
    """
    units = [list(word.text) if word.script in _SPACELESS else [word.text.lower()] for word in words]
    ids: dict[str, int] = {}
    flat = [ids.setdefault(unit, len(ids)) for word in units for unit in word]
    fresh = np.ones(len(flat), dtype=np.float64)
    for start in np.flatnonzero(repeats(flat, PHRASE)):
        fresh[start : start + PHRASE] = 0.0
    ends = list(accumulate(len(word) for word in units))
    parts = [float(fresh[end - len(word) : end].mean()) for word, end in zip(units, ends, strict=True)]
    seen: set[tuple[str, ...]] = set()
    for first, stop in _sentences(words):
        key = tuple(word.text.lower() for word in words[first:stop])
        if key in seen:
            parts[first:stop] = [0.0] * (stop - first)
        seen.add(key)
    return parts


def _sentences(words: Sequence[Word]) -> list[tuple[int, int]]:
    starts = [index for index, word in enumerate(words) if index == 0 or word.gap is Gap.SENTENCE]
    return list(pairwise([*starts, len(words)]))
