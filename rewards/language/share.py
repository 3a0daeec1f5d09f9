"""The share of a text's words that are in a language (DeepSeek-R1, arXiv 2501.12948, section 2.3.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grpo.rewards.language.repeats import fresh_parts
from grpo.rewards.language.strip import language_only
from grpo.rewards.language.tagger import LANGUAGES, UNKNOWN, tag
from grpo.rewards.language.words import Word, words_of

MAX_CHARACTERS = 400_000
MAX_LANGUAGE_CHARACTERS = 100_000
"""Of a longer text, and of what remains without formulas and code, so much is read, in evenly spaced blocks."""
BLOCKS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WordCount:
    """How many words of a text are in which language."""

    words: Mapping[str, float]
    """Language code to words; `und` for those in no supported language."""
    total: float

    def share(self, language: str) -> float:
        """From 0 to 1; 0.0 for a text without words."""
        return min(1.0, self.words.get(language, 0.0) / self.total) if self.total else 0.0

    def leader(self) -> str | None:
        """The language with the most words, None when there is none."""
        known = {language: words for language, words in self.words.items() if language != UNKNOWN}
        return max(sorted(known), key=known.__getitem__) if known else None


def target_share(text: str, target: str) -> float:
    """Words of `text` in the language `target` ÷ all its words, from 0 to 1; 0.0 for a text without words.

    LaTeX, code, addresses and tags are not language, but prose between such delimiters is. A word is a run of at least
    two letters; a Han letter counts 0.6, a kana 0.4 and a Thai letter 0.28 words. Numbers and single letters do not
    count. A name or unit of measure in Latin script within another script counts as part of the text around it.

    Args:
        text: the reasoning alone; nothing is extracted. Of more than 100,000 characters, evenly spaced blocks are read.
        target: ISO 639-1 code.

    Raises:
        ValueError: the language is not supported; the message lists those that are.
    """
    check_language(target)
    return count_words(text).share(target)


def check_language(target: str) -> None:
    """Raises ValueError for a language that is not supported."""
    if target not in LANGUAGES:
        raise ValueError(f"language {target!r} is not supported; choose one of {', '.join(LANGUAGES)}")


def count_words(text: str) -> WordCount:
    """The words of a text by language."""
    words = words_of(_language(text))
    return _summed(words, tag(words))


def count_words_and_new_ones(text: str) -> tuple[WordCount, WordCount]:
    """The words of a text by language, and those of them that do not repeat an earlier sentence or phrase."""
    words = words_of(_language(text))
    tags = tag(words)
    return _summed(words, tags), _summed(words, tags, fresh_parts(words))


def _summed(words: Sequence[Word], tags: Sequence[str], parts: Sequence[float] | None = None) -> WordCount:
    weights: dict[str, list[float]] = {}
    for word, language, part in zip(words, tags, parts or [1.0] * len(words), strict=True):
        weights.setdefault(language, []).append(word.weight * part)
    sums = {language: math.fsum(values) for language, values in weights.items()}
    return WordCount(words=sums, total=math.fsum(sums.values()))


def _language(text: str) -> str:
    return _bounded(language_only(_bounded(text, MAX_CHARACTERS)), MAX_LANGUAGE_CHARACTERS)


def _bounded(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    size = most // BLOCKS
    starts = (block * (len(text) - size) // (BLOCKS - 1) for block in range(BLOCKS))
    return "\n".join(text[start : start + size] for start in starts)
