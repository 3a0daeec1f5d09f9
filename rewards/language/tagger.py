"""Which language each word of a text is in: by script, by model for Latin script, by neighbours for names."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import groupby

from grpo.rewards.language.han import han_languages
from grpo.rewards.language.lexicon import lexicon_masks
from grpo.rewards.language.model import word_scorer
from grpo.rewards.language.viterbi import best_path
from grpo.rewards.language.words import Gap, Word

LATIN = ("en", "de", "es", "fr", "sw")
BY_SCRIPT = {"cyrillic": "ru", "hangul": "ko", "thai": "th", "bengali": "bn", "telugu": "te", "kana": "ja"}
LANGUAGES = tuple(sorted({*LATIN, *BY_SCRIPT.values(), "zh"}))
UNKNOWN = "und"

EMISSION_SCALE = 1.0
EMISSION_RANGE = 8.0
"""Nats by which one word may speak against a language, so that an odd name does not outvote a sentence."""
LEXICON_BONUS = 4.0
NAME_RUN = 3
"""Longest run of names in Latin script within a text of another script, in words."""
NAME_SHARE = 0.25
"""Names beyond this share of a text's words are not names."""
_SYMBOL_NAMES = """sin cos tan cot sec log ln exp lim max min mod gcd lcm det deg
    km cm mm kg mg ml kmh mph hz pm am usd eur px"""
SYMBOLS = frozenset(_SYMBOL_NAMES.split())
"""Functions and units of measure, which every language spells so."""


def tag(words: Sequence[Word]) -> list[str]:
    """The language of each word, `und` where it is in none of `LANGUAGES`."""
    tags: list[str | None] = [BY_SCRIPT.get(word.script, UNKNOWN) for word in words]
    _tag_latin(words, tags)
    han_languages(words, tags)
    _tag_names(words, tags)
    return [language or UNKNOWN for language in tags]


def _tag_latin(words: Sequence[Word], tags: list[str | None]) -> None:
    places = [index for index, word in enumerate(words) if word.script == "latin"]
    if not places:
        return
    texts = [words[index].text for index in places]
    gaps = [
        Gap.SENTENCE if place and index - places[place - 1] > 1 else words[index].gap
        for place, index in enumerate(places)
    ]
    path = best_path(_emissions(texts), gaps)
    for index, state in zip(places, path, strict=True):
        tags[index] = LATIN[state]


def _emissions(texts: Sequence[str]) -> list[list[float]]:
    lowered = [text.lower() if text.isupper() else text for text in texts]
    scores = word_scorer(LATIN).scores(lowered) * EMISSION_SCALE
    scores -= scores.max(axis=1, keepdims=True)
    rows: list[list[float]] = scores.clip(-EMISSION_RANGE, 0.0).tolist()
    masks = _masks()
    for index, text in enumerate(lowered):
        mask = masks.get(text) or masks.get(text.lower())
        if mask:
            rows[index] = [score + LEXICON_BONUS * common for score, common in zip(rows[index], mask, strict=True)]
    return rows


@functools.cache
def _masks() -> dict[str, tuple[float, ...]]:
    return lexicon_masks(LATIN)


def _tag_names(words: Sequence[Word], tags: list[str | None]) -> None:
    """Give names and symbols in Latin script within another script the language around them."""
    budget = NAME_SHARE * sum(word.weight for word in words)
    for latin, group in groupby(range(len(words)), key=lambda index: words[index].script == "latin"):
        run = list(group)
        if not latin or len(run) > NAME_RUN or len(run) > budget or not all(_name_like(words[i]) for i in run):
            continue
        before, after = run[0] - 1, run[-1] + 1
        near = tags[before] if before >= 0 else tags[after] if after < len(words) else None
        if near is None:
            continue
        budget -= len(run)
        for index in run:
            tags[index] = near


def _name_like(word: Word) -> bool:
    if word.code or word.text.lower() in SYMBOLS:
        return True
    return word.text[0].isupper() and word.text.lower() not in _masks()
