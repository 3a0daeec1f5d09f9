"""Answers that stand in neither a tag nor a box: after `####`, `answer is`, 答案, in bold, or last of all."""

from __future__ import annotations

import re
from collections.abc import Iterator

from grpo.rewards.math.tables import FUNCTIONS, PLAIN_COMMANDS

_TAIL = 4_000
"""Characters before the end in which an anchor is looked for."""
_ANSWER = re.compile(
    r"(?:\b(?:answer|choice|option)\b(?: ?\([^()\n]{0,30}\))?(?: to [^.:\n]{1,80}?)? ?(?:\*\*)? ?"
    r"(?:is|are|:|=|：|should be|would be|must be)"
    r"|答案(?:是|为|為|：|:)?|(?:故选|应选)[：:]?|\bsolution is|\bsolution:)[ \t]*(?:\*\*)?:?[ \t]*",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_SPAN = re.compile(
    r"\$\$([^$]{1,400})\$\$|(?<!\\)\$([^$\n]{1,400})(?<!\\)\$|\\\((.{1,400}?)\\\)|\\\[(.{1,400}?)\\\]", re.DOTALL
)
_NUMBER = re.compile(
    r"(?<![\w.,/])[-−]?\$?[-−]?(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?(?:/\d+(?:\.\d+)?)?(?: ?%)?"
    r"|(?<![\w.])[-−]?\$?\.\d+ ?%?"
)
_LABEL = re.compile(r"^(?:(?:the )?(?:final )?answer|solution)\s*(?:is|:|=)?\s*:?\s*", re.IGNORECASE)
_FIRST_WORD = re.compile(r"[^\d$\\A-Za-z]*([A-Za-z]{2,})")
_MATHS_WORDS = FUNCTIONS | frozenset(PLAIN_COMMANDS)
_EITHER = re.compile(r"\b(?:or|and)\b")
_SENTENCE_END = re.compile(r"[.!?](?:\s|$|\*)|\n|。|</|, (?:because|since|which|so|as) | because | since | \(")


def candidates(body: str) -> Iterator[tuple[str, str]]:
    """Possible answers as (text, anchor), the most telling first. The first of them that can be read is the answer."""
    tail = body[-_TAIL:]
    hashes = tail.rfind("####")
    if hashes >= 0:
        line = tail[hashes + 4 :].strip()
        yield (line.split("\n", 1)[0] if line else ""), "hash"
    anchor = None
    for match in _ANSWER.finditer(tail):
        anchor = match
    if anchor is not None:
        rest = tail[anchor.end() :][:600]
        yield from _after(rest)
        if _is_undecided(_sentence(rest.lstrip())):
            return
    bold = None
    for match in _BOLD.finditer(tail):
        bold = match[1]
    if bold is not None:
        yield _LABEL.sub("", bold.strip()), "bold"
    if len(tail) <= 120 and "\n" not in tail.strip():
        yield tail, "whole"
    yield from _last(tail if anchor is None else tail[anchor.end() :])


def is_prose(text: str) -> bool:
    """Whether a word stands before the first digit or maths span, so that the text is a sentence about its answer."""
    match = _FIRST_WORD.match(text)
    return match is not None and match[1].lower() not in _MATHS_WORDS


def _is_undecided(sentence: str) -> bool:
    """Whether a sentence offers several numbers, `either 5 or 6`, or says what the answer is not."""
    if sentence.lstrip(" *").lower().startswith(("not ", "neither ")):
        return True
    return _EITHER.search(sentence) is not None and count_numbers(sentence) > 1


def count_numbers(text: str) -> int:
    """How many different numbers stand in a short text."""
    return len({number.strip("$ ").replace(",", "") for number in _NUMBER.findall(text[:_TAIL])})


def _after(rest: str) -> Iterator[tuple[str, str]]:
    """What follows an anchor: a maths span at its start, else its first sentence, else the first number of that."""
    listed = rest.lstrip(" *:\t").startswith("\n")
    rest = rest.lstrip(" *:\n\t")
    if listed and rest.startswith("- "):
        rest = rest[2:]
    span = _SPAN.match(rest)
    if span is not None:
        end = span.end()
        sentence = _sentence(rest)
        following = rest[end : end + 12].lstrip()
        if following.startswith((", $", "and $", "or $", ", and $", ", \\(", "and \\(", "or \\(")):
            yield sentence.replace("$", "").replace("\\(", "").replace("\\)", ""), "answer"
        yield _content(span), "answer"
        return
    sentence = _sentence(rest).strip(" *")
    yield sentence, "answer"
    if _is_undecided(sentence):
        return
    spans = list(_SPAN.finditer(sentence))
    if spans:
        yield _content(spans[-1]), "answer"
    number = _NUMBER.search(sentence)
    if number is not None:
        yield number[0], "answer"


def _sentence(text: str) -> str:
    end = _SENTENCE_END.search(text)
    return text if end is None else text[: end.start()]


def _last(tail: str) -> Iterator[tuple[str, str]]:
    """The last maths span or number, whichever stands later; with the one before it where `or` joins the two."""
    spans, numbers = list(_SPAN.finditer(tail)), list(_NUMBER.finditer(tail))
    if spans and (not numbers or spans[-1].end() >= numbers[-1].start()):
        yield _with_alternative(tail, spans), "last"
    if numbers:
        yield _with_alternative(tail, numbers), "last"


def _with_alternative(tail: str, found: list[re.Match[str]]) -> str:
    value = _content(found[-1])
    if len(found) > 1 and tail[found[-2].end() : found[-1].start()].strip(" $,") == "or":
        return f"{_content(found[-2])} or {value}"
    return value


def _content(match: re.Match[str]) -> str:
    """The inside of a maths span, or the whole of a number."""
    return next((group for group in match.groups() if group is not None), match[0])
