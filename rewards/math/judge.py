"""Decides whether the answer in a model's text equals the gold answer. Pure, deterministic, bounded in work."""

from __future__ import annotations

from functools import lru_cache

from grpo.rewards.math.anchors import candidates, count_numbers, is_prose
from grpo.rewards.math.compare import equivalent as same_tree
from grpo.rewards.math.extract import after_reasoning, boxed, extract
from grpo.rewards.math.limits import MAX_ANSWER, NotMathsError, TooHardError
from grpo.rewards.math.literals import Quantity, canonical_digits, read_quantity, same_quantity
from grpo.rewards.math.normalise import squeeze, tidy
from grpo.rewards.math.parsing import parse
from grpo.rewards.math.result import Result, Verdict
from grpo.rewards.math.salvage import decimal_point, other_readings, same_tokens, without_label
from grpo.rewards.math.tree import Group, Node, Number, has_decimal
from grpo.rewards.math.words import choice_letter, labelled, words_of

MODES = ("lenient", "strict")


class _Gold:
    """A gold answer, read once for all completions that share it."""

    __slots__ = ("letter", "quantity", "text", "words")

    def __init__(self, gold: str) -> None:
        text = gold.strip()
        inner = boxed(text)
        if inner.answer is not None:
            text = inner.answer
        self.text = tidy(text)
        self.quantity: Quantity | None = read_quantity(self.text)
        self.letter = choice_letter(self.text) if self.text[-1:].isupper() or not self.text.isalpha() else None
        self.words = words_of(self.text)


@lru_cache(maxsize=2048)
def _read_gold(gold: str) -> _Gold:
    return _Gold(gold)


def judge(gold: str, text: str, *, mode: str = "lenient") -> Result:
    """The verdict on one completion.

    `mode` `"lenient"` falls back to anchors (`#### n`, "answer is", bold, the last maths span or number) where there
    is no box or answer tag; `"strict"` then has no answer.

    Raises:
        ValueError: an unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f"unknown mode {mode!r}; valid: {', '.join(MODES)}")
    known = _read_gold(gold)
    if not known.text:
        return _result(False, Verdict.ERROR, None, "gold_empty", "extraction")
    found = extract(text)
    if found.source == "box":
        assert found.answer is not None
        return _judged(known, found.answer)
    if found.source == "tag":
        assert found.answer is not None
        return _first_readable(known, found.answer, whole=True)
    body = after_reasoning(text) or ""
    if mode == "strict" or found.reason != "no_box" or "<answer>" in body[-MAX_ANSWER:]:
        return _result(False, Verdict.NO_ANSWER, None, found.reason, "extraction")
    return _first_readable(known, body, whole=False)


def equivalent(gold: str, answer: str) -> bool:
    """Whether two bare answers are equal, without the shortcut for identical text."""
    return _judged(_read_gold(gold), answer, identity=False).equal


def _first_readable(gold: _Gold, body: str, *, whole: bool) -> Result:
    """The first candidate that can be read as maths, or is the gold's words."""
    if whole:
        result = _judged(gold, body)
        prose = is_prose(body) and any(char.isdigit() for char in body)
        if result.equal or not (result.verdict is Verdict.UNPARSABLE or prose) or result.reason == "too_hard":
            return result
    first: Result | None = None
    for candidate, anchor in candidates(body):
        # Inside a tag nothing but the answer is expected: the last of several numbers is no better than the others.
        if not candidate.strip() or (whole and anchor == "last" and count_numbers(body) > 1):
            continue
        result = _judged(gold, candidate)
        readable = result.verdict is Verdict.WRONG and result.path != "text" and not is_prose(candidate)
        if result.equal or readable:
            return result
        if anchor in ("hash", "answer"):
            first = first or result
    return first or _result(False, Verdict.NO_ANSWER, None, "no_answer", "extraction")


def _result(equal: bool, verdict: Verdict, extracted: str | None, reason: str, path: str) -> Result:
    return Result(equal=equal, verdict=verdict, extracted=extracted, reason=reason, path=path)


def _judged(gold: _Gold, raw: str, *, identity: bool = True) -> Result:
    answer = raw.strip()
    quantity = read_quantity(answer)
    if quantity is not None and gold.quantity is not None:
        return _verdict(same_quantity(gold.quantity, quantity), raw, "literal")
    answer = tidy(answer)
    if not answer:
        return _result(False, Verdict.WRONG, raw, "empty", "extraction")
    if identity and squeeze(answer) == squeeze(gold.text):
        return _verdict(True, raw, "identity")
    quantity = read_quantity(answer)
    if quantity is not None and gold.quantity is not None:
        return _verdict(same_quantity(gold.quantity, quantity), raw, "literal")
    long_digits = canonical_digits(gold.text) if len(gold.text) > 1_000 else None
    if long_digits is not None:
        return _verdict(long_digits == canonical_digits(answer), raw, "literal")
    return _by_words(gold, answer, raw) or _by_tree(gold, answer, raw)


def _verdict(equal: bool, raw: str, path: str) -> Result:
    return _result(equal, Verdict.RIGHT if equal else Verdict.WRONG, raw, "", path)


def _by_words(gold: _Gold, answer: str, raw: str) -> Result | None:
    """A verdict if the gold is a choice letter, or the words agree."""
    if len(answer) > MAX_ANSWER:
        return None
    label = labelled(answer)
    if gold.letter is not None:
        letter = choice_letter(answer) or (label[0] if label is not None else None)
        return _verdict(letter == gold.letter, raw, "text") if letter is not None else None
    if gold.words and gold.words == words_of(answer):
        return _verdict(True, raw, "text")
    gold_label = labelled(gold.text)
    if gold_label is not None and (choice_letter(answer) or (label or ("", ""))[0]) == gold_label[0]:
        return _verdict(True, raw, "text")
    if label is not None and equivalent(gold.text, label[1]):
        return _verdict(True, raw, "text")
    return None


def _by_tree(gold: _Gold, answer: str, raw: str) -> Result:
    try:
        gold_tree = parse(gold.text)
    except TooHardError:
        return _result(False, Verdict.ERROR, raw, "gold_too_hard", "structure")
    except NotMathsError:
        equal = not gold.words and same_tokens(gold.text, answer)
        if not equal and not gold.words:  # neither maths nor words: no other spelling could ever be right
            return _result(False, Verdict.ERROR, raw, "gold_not_maths", "structure")
        return _verdict(equal, raw, "text")
    refused = _result(False, Verdict.UNPARSABLE, raw, "not_maths", "structure")
    try:
        for reading in (without_label(answer), *other_readings(answer)):
            try:
                answer_tree = parse(reading)
            except NotMathsError:
                continue
            equal, path = same_tree(gold_tree, answer_tree)
            if not equal and "," in answer + gold.text:
                equal = _other_commas(gold.text, gold_tree, reading, answer_tree)
            return _verdict(equal, raw, path)
        point = decimal_point(answer) if has_decimal(gold_tree) else None
        return refused if point is None else _verdict(same_tree(gold_tree, parse(point))[0], raw, "structure")
    except TooHardError:
        return _result(False, Verdict.UNPARSABLE, raw, "too_hard", "structure")
    except NotMathsError:
        return refused


def _other_commas(gold_text: str, gold: Node, answer_text: str, answer: Node) -> bool:
    """Second readings of a comma: `1,200` as a list where the gold is one, `3,5` as 3.5 where the gold is decimal."""
    if isinstance(gold, Group):
        answer_list = parse(answer_text, bare_commas=False)
        return answer_list != answer and same_tree(gold, answer_list)[0]
    if isinstance(gold, Number) and isinstance(answer, Group) and len(answer.items) > 2:
        gold_list = parse(gold_text, bare_commas=False)  # `100,200,300` is more likely a list than a number
        return gold_list != gold and same_tree(gold_list, answer)[0]
    point = decimal_point(answer_text) if has_decimal(gold) else None
    return point is not None and same_tree(gold, parse(point))[0]
