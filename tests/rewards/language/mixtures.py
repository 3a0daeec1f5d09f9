"""Texts whose share of a language is known because they were put together from monolingual pieces."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SPACELESS = ("zh", "ja", "th")
FORMULAS = (
    "$x^2 - 2x - 15 = 0$", r"\(\frac{12}{4} = 3\)", r"$$3 \times 3 = 9$$", r"\[ a^2 + b^2 = c^2 \]", "$n$",
    "$f(x) = \\sin x$", r"$\sqrt{16} = 4$", "$12 \\div 4$", r"\begin{align} x &= 5 \\ y &= 2x \end{align}",
)  # fmt: skip
CODE = (
    "```python\ntotal = 3 * 4\nfor bag in range(3):\n    print(total, bag)\n```", "`x = 12 / 4`", "`total_price`",
    "```\nint main() { return 0; }\n```", "https://example.org/wiki/Apple", "<b>", "</b>", "<step>",
)  # fmt: skip
NUMBERS = ("12 + 3 = 15", "x = 5", "(3.14)", "42%", "7/8", "1,250", "a < b")


NAMES = ("Janet", "Wendi Smith", "AB", "5 km", "3kg", "Toulouse", "Kylar", "(Kim)", "12 cm", "Euler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    text: str
    target: str
    share: float
    construction: str


@cache
def paragraphs(part: str) -> list[dict[str, Any]]:
    return json.loads((Path(__file__).parent / f"paragraphs_{part}.json").read_text(encoding="utf-8"))


@cache
def asides() -> dict[str, list[str]]:
    return json.loads((Path(__file__).parent / "asides.json").read_text(encoding="utf-8"))


def weight(text: str) -> float:
    """Words of plain prose by the convention, counted letter by letter and apart from the code under test."""
    total, run = 0.0, 0
    for letter in text + " ":
        name = unicodedata.name(letter, "")
        if name.startswith("CJK UNIFIED") or letter == "々":
            total += 0.6
        elif name.startswith(("HIRAGANA", "KATAKANA")) and letter != "・":
            total += 0.4
        elif name.startswith("THAI CHARACTER"):
            total += 0.28 if letter.isalpha() else 0.0
        elif letter.isalpha() or unicodedata.category(letter)[0] == "M" or letter in "\u200c\u200d":
            run += 1
            continue
        total += run >= 2
        run = 0
    return total


def joined(pieces: list[tuple[str, str]]) -> str:
    """Pieces (language, text) one after the other, with a space where a reader expects one."""
    text = ""
    for language, piece in pieces:
        text += piece if not text or (language in SPACELESS and text[-1] in "。，、") else f" {piece}"
    return text


def clauses(sentence: str) -> list[str]:
    parts = re.split(r"(?<=[,，、])\s*", sentence)
    return parts if len(parts) > 1 else [sentence]


def _mixture(pieces: list[tuple[str, str]], target: str, construction: str, text: str | None = None) -> Mixture:
    whole = sum(weight(piece) for _, piece in pieces)
    wanted = sum(weight(piece) for language, piece in pieces if language == target)
    return Mixture(text=text or joined(pieces), target=target, share=wanted / whole, construction=construction)


def _words(sentence: str, language: str, rng: random.Random, count: int) -> str:
    """A stretch of `count` words from within a sentence."""
    if language in SPACELESS:
        body = re.sub(r"[，。、\s]", "", sentence)
        size = min(len(body), 3 * count)
        start = rng.randrange(len(body) - size + 1)
        return body[start : start + size]
    parts = re.sub(r"[.,।]", "", sentence).split()
    start = rng.randrange(max(1, len(parts) - count))
    return " ".join(parts[start : start + count])


def make(part: str, seed: int, languages: tuple[str, ...]) -> list[Mixture]:
    """A mixture of every construction for every language with up to five others."""
    rng = random.Random(seed)
    made: list[Mixture] = []
    for first in languages:
        others = [language for language in languages if language != first]
        for second in rng.sample(others, min(5, len(others))):
            one = [s for p in rng.sample(paragraphs(part), 2) for s in p["texts"][first]]
            two = [s for p in rng.sample(paragraphs(part), 2) for s in p["texts"][second]]
            target = rng.choice([first, second])
            made += [
                _mixture([(first, s) for s in one], target, "one language"),
                _sentences(one, two, first, second, target, rng),
                _clauses(one, two, first, second, target, rng),
                _blocks(one, two, first, second, target, rng),
                _foreign(one, two, first, second, first, rng, 1),
                _foreign(one, two, first, second, first, rng, 3),
                _noisy(one, two, first, second, target, rng),
                _asides(one, first, second, target, rng),
                _switching(one, two, first, second, target, rng),
                _names(one, two, first, second, target, rng),
            ]
    return made


def _sentences(one: list[str], two: list[str], a: str, b: str, target: str, rng: random.Random) -> Mixture:
    pieces = [(a, s) if rng.random() < 0.5 else (b, t) for s, t in zip(one, two, strict=True)]
    return _mixture(pieces, target, "sentences")


def _clauses(one: list[str], two: list[str], a: str, b: str, target: str, rng: random.Random) -> Mixture:
    pieces: list[tuple[str, str]] = []
    for s, t in zip(one[:6], two[:6], strict=True):
        left, right = clauses(s), clauses(t)
        if len(left) > 1 and rng.random() < 0.7:
            pieces += [(a, left[0]), (b, right[-1])]
        else:
            pieces.append((a, s))
    return _mixture(pieces, target, "clauses")


def _blocks(one: list[str], two: list[str], a: str, b: str, target: str, rng: random.Random) -> Mixture:
    cut = rng.randrange(1, 9)
    pieces = [(a, s) for s in one[:cut]] + [(b, t) for t in two[cut:]]
    return _mixture(pieces, target, "blocks")


def _foreign(one: list[str], two: list[str], a: str, b: str, target: str, rng: random.Random, count: int) -> Mixture:
    """Stretches of one or three foreign words inside the sentences."""
    pieces: list[tuple[str, str]] = []
    for index, s in enumerate(one):
        if index % 3 or (a in SPACELESS and "，" not in s and "、" not in s and " " not in s):
            pieces.append((a, s))
            continue
        parts = clauses(s) if a in SPACELESS and a != "th" else s.split(" ")
        cut = rng.randrange(1, len(parts)) if len(parts) > 1 else 0
        glue = "" if a in SPACELESS and a != "th" else " "
        pieces += [(a, glue.join(parts[:cut])), (b, _words(two[index], b, rng, count)), (a, glue.join(parts[cut:]))]
    return _mixture([p for p in pieces if p[1]], target, f"{count} foreign words")


def _asides(one: list[str], a: str, b: str, target: str, rng: random.Random) -> Mixture:
    """Remarks of two to five words in the other language between the sentences."""
    pieces = [
        piece for s in one for piece in ((a, s), (b, rng.choice(asides()[b]))) if piece[0] == a or rng.random() < 0.5
    ]
    return _mixture(pieces, target, "asides")


def _switching(one: list[str], two: list[str], a: str, b: str, target: str, rng: random.Random) -> Mixture:
    """A change of language every four to nine words, without punctuation."""
    pieces = [
        (language, _words(sentence, language, rng, rng.randrange(4, 10)))
        for s, t in zip(one, two, strict=True)
        for language, sentence in ((a, s), (b, t))
    ]
    return _mixture(pieces, target, "switching")


def _names(one: list[str], two: list[str], a: str, b: str, target: str, rng: random.Random) -> Mixture:
    """Names and units inside the sentences, which count for neither language in the expected share."""
    pieces: list[tuple[str, str]] = []
    for s, t in zip(one, two, strict=True):
        language, sentence = (a, s) if rng.random() < 0.7 else (b, t)
        head, comma, tail = sentence.partition("，" if language == "zh" else "、" if language == "ja" else " ")
        pieces += [(language, head + comma.strip()), ("", rng.choice(NAMES)), (language, tail)]
    return _mixture([p for p in pieces if p[0] and p[1]], target, "with names and units", joined(pieces))


def _noisy(one: list[str], two: list[str], a: str, b: str, target: str, rng: random.Random) -> Mixture:
    pieces: list[tuple[str, str]] = []
    for s, t in zip(one, two, strict=True):
        pieces.append((a, s) if rng.random() < 0.6 else (b, t))
        if rng.random() < 0.7:
            pieces.append(("", rng.choice(FORMULAS + CODE + NUMBERS)))
    known = [piece for piece in pieces if piece[0]]
    return _mixture(known, target, "with formulas and code", joined(pieces))
