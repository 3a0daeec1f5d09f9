"""Which language each word of a text is in: by script, by model where languages share one, by neighbours for names."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Sequence
from itertools import groupby

import numpy as np

from grpo.rewards.language.han import han_languages
from grpo.rewards.language.lexicon import lexicon_masks
from grpo.rewards.language.model import Floats, word_scorer
from grpo.rewards.language.viterbi import best_path
from grpo.rewards.language.words import Gap, Word

MAIN = ("en", "de", "es", "fr", "sw", "ru", "ar", "fa", "ur", "hi", "mr", "ne")
"""The languages to which the model need not be partial, see `HANDICAP`."""
BY_MODEL = {
    "latin": ("en", "de", "es", "fr", "sw", "it", "pt", "nl", "pl", "tr", "vi", "id", "sv", "ro"),
    "cyrillic": ("ru", "uk", "bg"),
    "arabic": ("ar", "fa", "ur"),
    "devanagari": ("hi", "mr", "ne"),
}
BY_SCRIPT = {
    "hangul": "ko",
    "thai": "th",
    "bengali": "bn",
    "telugu": "te",
    "kana": "ja",
    "greek": "el",
    "hebrew": "he",
}
LANGUAGES = tuple(sorted({*(name for names in BY_MODEL.values() for name in names), *BY_SCRIPT.values(), "zh"}))
UNKNOWN = "und"

HANDICAP = 2.0
"""Nats a word by which the model must prefer a language that is not in `MAIN`, so that they do not cost accuracy."""
MAX_LETTERS = 100
"""More of a word is not normalised: composing a long row of accents takes quadratic time."""
EMISSION_SCALE = 0.7
"""The model's features overlap, so that its log-probabilities say too much."""
EMISSION_RANGE = 16.0
"""Nats by which one word may speak against a language, so that an odd name does not outvote a sentence."""
LEXICON_BONUS = 5.0
"""Nats for a word that is common in a language."""
NAME_SCALE = 0.4
"""A word with a capital may be a name, and says so much less about the language."""
LONGEST_LABEL = 4
"""Letters of a word in capitals, such as a triangle's name, that says nothing about the language."""
NAME_RUN = 3
"""Longest run of names in Latin script within a text of another script, in words."""
NAME_SHARE = 0.25
LEAST_NAMES = 4
"""Names beyond this share of a text's words, and more than these, are not names."""
_SYMBOL_NAMES = """sin cos tan cot sec log ln exp lim max min mod gcd lcm det deg
    km cm mm kg mg ml kmh mph hz pm am usd eur px"""
SYMBOLS = frozenset(_SYMBOL_NAMES.split())
"""Functions and units of measure, which every language spells so."""


def tag(words: Sequence[Word]) -> list[str]:
    """The language of each word, `und` where it is in none of `LANGUAGES`."""
    tags: list[str | None] = [BY_SCRIPT.get(word.script, UNKNOWN) for word in words]
    for script, languages in BY_MODEL.items():
        places = [index for index, word in enumerate(words) if word.script == script]
        if places:
            _tag_by_model(words, places, languages, tags)
    han_languages(words, tags)
    _tag_names(words, tags)
    return [language or UNKNOWN for language in tags]


def _tag_by_model(
    words: Sequence[Word], places: Sequence[int], languages: tuple[str, ...], tags: list[str | None]
) -> None:
    """Set the tags at `places`, the words in one script."""
    gaps = [
        # Words in another script in between are as good as a sentence's end.
        Gap.SENTENCE if number and index - places[number - 1] > 1 else words[index].gap
        for number, index in enumerate(places)
    ]
    path = best_path(_emissions([words[index] for index in places], languages), gaps)
    for index, state in zip(places, path, strict=True):
        tags[index] = languages[state]


def _emissions(words: Sequence[Word], languages: tuple[str, ...]) -> list[list[float]]:
    """(N words, L languages) what each word says about its language, nats."""
    texts = [_spelling(word.text) for word in words]
    scores = word_scorer(languages).scores(texts) * EMISSION_SCALE
    scores -= scores.max(axis=1, keepdims=True)
    scores = scores.clip(-EMISSION_RANGE, 0.0)
    masks = _masks(languages)
    for index, text in enumerate(texts):
        mask = masks.get(text)
        if mask is None:
            mask = masks.get(text.lower())
        if mask is not None:
            # Between the languages that a word is common in, its letters do not decide.
            listed = mask > 0
            scores[index][listed] = scores[index][listed].max()
            scores[index] += mask
        elif _symbol_like(words[index]) or (len(text) <= LONGEST_LABEL and words[index].text.isupper()):
            scores[index] = 0.0
        elif text[0].isupper():
            scores[index] *= NAME_SCALE
    scores -= np.asarray([0.0 if language in MAIN else HANDICAP for language in languages], dtype=np.float32)
    rows: list[list[float]] = scores.tolist()
    return rows


def _spelling(word: str) -> str:
    """As the model and the lists spell it: accents composed, not all in capitals."""
    if not word.isascii():
        word = unicodedata.normalize("NFC", word[:MAX_LETTERS])
    return word.lower() if word.isupper() else word


@functools.cache
def _masks(languages: tuple[str, ...]) -> dict[str, Floats]:
    """Word to what being common in some of the languages adds to its scores."""
    return {word: np.asarray(mask, dtype=np.float32) * LEXICON_BONUS for word, mask in lexicon_masks(languages).items()}


def _tag_names(words: Sequence[Word], tags: list[str | None]) -> None:
    """Give names and symbols in Latin script within another script the language around them."""
    budget = max(LEAST_NAMES, NAME_SHARE * sum(word.weight for word in words))
    for latin, group in groupby(range(len(words)), key=lambda index: words[index].script == "latin"):
        run = list(group)
        if not latin or len(run) > NAME_RUN:
            continue
        names = sum(words[index].text.lower() not in SYMBOLS for index in run)
        before, after = run[0] - 1, run[-1] + 1
        near = tags[before] if before >= 0 else tags[after] if after < len(words) else None
        if near is None or names > budget or not all(_name_like(words[index]) for index in run):
            continue
        budget -= names
        for index in run:
            tags[index] = near


def _symbol_like(word: Word) -> bool:
    return word.code or word.text.lower() in SYMBOLS


def _name_like(word: Word) -> bool:
    return _symbol_like(word) or (word.text[0].isupper() and word.text.lower() not in _masks(BY_MODEL["latin"]))
