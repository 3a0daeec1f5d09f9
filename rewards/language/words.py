"""The countable words of a text: script, weight and what stands before each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

HAN_WEIGHT = 0.6
KANA_WEIGHT = 0.4
THAI_WEIGHT = 0.28
"""Words that a letter of a script without spaces is worth, so that translations of one text have like lengths."""

_PATTERN = re.compile(
    # A capture group each; `lastgroup` names the script. Marks continue a run; digits and punctuation end it.
    r"(?P<latin>[A-Za-zªºÀ-ÖØ-öø-ʯḀ-ỿ][A-Za-zªºÀ-ÖØ-öø-ʯḀ-ỿ\u0300-\u036f]*)"
    r"|(?P<han>[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+)"
    r"|(?P<kana>[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d]+)"
    r"|(?P<thai>[\u0e01-\u0e3a\u0e40-\u0e4e]+)"
    r"|(?P<cyrillic>[\u0400-\u0481\u048a-\u052f\u1c80-\u1c88\u2de0-\u2dff\ua640-\ua69f][\u0300-\u036f\u0400-\u052f\ua640-\ua69f]*)"
    r"|(?P<arabic>[\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06e8\u06ea-\u06ef\u06fa-\u06ff\u200c]+)"
    r"|(?P<devanagari>[\u0900-\u0963\u0971-\u097f\u200c\u200d]+)"
    r"|(?P<greek>[\u0370-\u03ff\u1f00-\u1fff\u0300-\u036f]+)"
    r"|(?P<hebrew>[\u05b0-\u05c7\u05d0-\u05ea]+)"
    r"|(?P<hangul>[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+)"
    r"|(?P<bengali>[\u0980-\u09e3\u09f0\u09f1\u09fc\u09fe\u200c\u200d]+)"
    r"|(?P<telugu>[\u0c00-\u0c63\u200c\u200d]+)"
    r"|(?P<other>[^\W\d_]+)"
)
_THAI_MARK = re.compile(r"[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]")
_SENTENCE = frozenset(".!?。！？।॥؟۔…\n")
_CLAUSE = frozenset('،؛,;:，；：、—–()（）[]"“”«»„「」『』|')


class Gap(IntEnum):
    """What separates a word from the one before it."""

    NONE = 0
    CLAUSE = 1
    SENTENCE = 2


@dataclass(slots=True)
class Word:
    """One word, or one run of letters in a script without spaces."""

    text: str
    script: str
    weight: float
    """In words."""
    gap: Gap
    """The strongest boundary since the word before."""
    touches: bool
    """Nothing stands between this word and the one before it."""
    code: bool
    """Part of an identifier such as `total_price`, or stuck to a digit (`5km`, `x1`)."""


def words_of(text: str) -> list[Word]:
    """The words of a text that count, in order: runs of at least two letters, or any letter of Han, kana or Thai."""
    words: list[Word] = []
    gap_from = 0
    for match in _PATTERN.finditer(text):
        script, run = match.lastgroup or "other", match.group()
        weight = _weight(script, run)
        if weight == 0.0:
            continue
        start, end = match.span()
        touches = bool(words) and start == gap_from
        words.append(Word(run, script, weight, _gap(text[gap_from:start]), touches, _in_code(text, start, end)))
        gap_from = end
    return words


def _weight(script: str, run: str) -> float:
    match script:
        case "han":
            return HAN_WEIGHT * len(run)
        case "kana":
            return KANA_WEIGHT * len(run)
        case "thai":
            return THAI_WEIGHT * (len(run) - len(_THAI_MARK.findall(run)))
        case _:
            return 1.0 if len(run) >= 2 else 0.0


def _gap(between: str) -> Gap:
    if between == " " or not between:
        return Gap.NONE
    if not _SENTENCE.isdisjoint(between):
        return Gap.SENTENCE
    return Gap.NONE if _CLAUSE.isdisjoint(between) else Gap.CLAUSE


def _in_code(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    if before.isdigit() or after.isdigit():
        return True
    # An underscore between two letters or digits; around a word it is emphasis.
    joined_left = before == "_" and text[start - 2 : start - 1].isalnum()
    return joined_left or (after == "_" and text[end + 1 : end + 2].isalnum())
