"""Spellings brought to one form before tokenising: unicode to LaTeX, mathematical wrappers off, digits grouped."""

from __future__ import annotations

import re
import unicodedata

from grpo.rewards.math.tables import SUBSCRIPTS, SUPERSCRIPTS, UNICODE

_SUPERSCRIPT_RUN = re.compile("[" + "".join(map(chr, SUPERSCRIPTS)) + "]+")
_SUBSCRIPT_RUN = re.compile("[" + "".join(map(chr, SUBSCRIPTS)) + "]+")
_UNICODE = str.maketrans(UNICODE)
_SPACES = re.compile(r"(?<![\d,A-Za-z])\s+|(?<=[\d,])\s+(?!\d)|(?<=[A-Za-z])\s+(?![A-Za-z])")
"""Spaces between digits, after a comma before a digit, and between letters stay: they separate numbers and words."""
# A group separator is the same throughout a number, and every group after it has exactly three digits.
_GROUPED = re.compile(
    r"(?<![\d.])(?<!\d,)(?<!\d')\d{1,3}(?:(,|\{,\}|, ?\\! ?|\\,|\\ |\\;|\\:|~| |'|\{\\,\}|\\thinspace )(?=\d{3}(?!\d)))"
    r"\d{3}(?:\1\d{3}(?!\d))*(?![\d']|,\d| \d)",
    re.ASCII,
)
_DOTTED = re.compile(r"(?<![\d.,])\d{1,3}(?:\.\d{3}){2,}(?![\d.])", re.ASCII)
_BRACKETS = re.compile(r"\\?[(\[{\])}]|\\[a-zA-Z]+")
_OPENING, _CLOSING = ("(", "[", r"\{", r"\langle"), (")", "]", r"\}", r"\rangle")
_NO_SEPARATOR = re.compile(r"\D")
_OVERLINE = re.compile(r"((?:\d\\overline)+)")
_DOUBLED = re.compile(r"\\\\(?=[a-zA-Z]{2})")
_BARE_COMMA = ","


def plain(text: str) -> str:
    """ASCII LaTeX for unicode mathematics. Superscripts come before NFKC, which would turn x² into x2."""
    text = text.replace("\x00", "")
    if text.isascii():
        return text
    text = _SUPERSCRIPT_RUN.sub(lambda run: "^{" + run[0].translate(SUPERSCRIPTS) + "}", text)
    text = _SUBSCRIPT_RUN.sub(lambda run: "_{" + run[0].translate(SUBSCRIPTS) + "}", text)
    text = unicodedata.normalize("NFKC", text.translate(_UNICODE)).translate(_UNICODE)
    if r"\overline" in text:
        text = _OVERLINE.sub(lambda run: r"\overline{" + _NO_SEPARATOR.sub("", run[0]) + "}", text)
    if not text.isascii():
        text = "".join(
            str(unicodedata.decimal(char)) if not char.isascii() and char.isdecimal() else char for char in text
        )
    return text


def tidy(text: str) -> str:
    """An answer without surrounding mathematical delimiters, emphasis, spaces and final punctuation."""
    text = plain(text).strip()
    if "\\\\" in text and "begin" not in text:
        text = _DOUBLED.sub(r"\\", text)
    while True:
        before = text
        for opening, closing in (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ('"', '"')):
            if len(text) > len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing):
                inside = text[len(opening) : -len(closing)]
                if opening not in inside and not inside.endswith("\\"):
                    text = inside.strip()
        if text[-1:] in (".", ",", ";", ":") and not text.endswith(
            (r"\,", r"\;", r"\:", "..", r"\right.", "a.m.", "p.m.")
        ):
            text = text[:-1].rstrip()
        if text.endswith((r"\,", r"\;", r"\!", r"\:")) or text.endswith("\\\\"):
            text = text[:-2].rstrip()
        elif text.endswith("\\"):
            text = text[:-1].rstrip()  # a control space, cut by `strip`
        if text == before:
            return text


def squeeze(text: str) -> str:
    """Text without any whitespace and sizing noise: two spellings that agree here are the same expression."""
    return _SPACES.sub("", text.replace(r"\left", "").replace(r"\right", "").replace(r"\dfrac", r"\frac"))


def join_groups(text: str, *, bare_commas: bool = True) -> str:
    """Joins digits with well-formed thousands separators: `1{,}000`, `1\\,000`, `1 000`, `1'000`, `1.000.000`, `1,000`.

    A bare comma inside brackets separates items there, so it joins digits outside of brackets only;
    with `bare_commas` false it never does.
    """
    if "." in text:
        text = _DOTTED.sub(lambda group: group[0].replace(".", ""), text)
    pieces, done = [], 0
    depth_at, depth = 0, 0
    for match in _GROUPED.finditer(text):
        if match[1] == _BARE_COMMA:
            for bracket in _BRACKETS.finditer(text, depth_at, match.start()):
                depth += bracket[0] in _OPENING
                depth -= bracket[0] in _CLOSING
            depth_at = match.start()
            if depth > 0 or not bare_commas:
                continue
        pieces.append(text[done : match.start()])
        pieces.append(_NO_SEPARATOR.sub("", match[0]))
        done = match.end()
    return "".join(pieces) + text[done:] if pieces else text
