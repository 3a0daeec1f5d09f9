"""Reward for tasks whose answer is a whole number."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from grpo.rewards.text import completion_text, final_answer
from grpo.types import Message

MAX_CHARACTERS = 100_000
"""Longer texts are not read as a number."""
_INTEGER = re.compile(r"(?:(?<![0-9])[+-])?[0-9][0-9,]*")
"""A sign between two numbers is an operator."""


def canonical_integer(text: str) -> str | None:
    """The integer in its shortest decimal spelling (`-0` is `0`), or None when the text is not a plain integer.

    Plain: optional sign, then ASCII digits, bare or with well-formed thousands separators (`1,234`);
    whitespace around it and one full stop after it are ignored. Compared as text, so any length is cheap.
    """
    body = text.strip()
    if len(body) > MAX_CHARACTERS or not body.isascii():
        return None
    body = body.removesuffix(".")
    negative = body.startswith("-")
    digits = body[1:] if body[:1] in ("+", "-") else body
    if "," in digits:
        first, *others = digits.split(",")
        if not 1 <= len(first) <= 3 or first.startswith("0") or any(len(group) != 3 for group in others):
            return None
        digits = digits.replace(",", "")
    if not digits.isdigit():
        return None
    magnitude = digits.lstrip("0") or "0"
    return f"-{magnitude}" if negative and magnitude != "0" else magnitude


def exact_integer(
    completions: Sequence[str | Sequence[Message]],
    answer: Sequence[str],
    log_metric: Callable[[str, float], None] | None = None,
    **_: Any,
) -> list[float]:
    """1.0 where the completion's answer block holds the gold integer, else 0.0.

    The answer is `final_answer`'s: the one `<answer>` block after the last `</think>`. Nothing is ever evaluated.
    Logs the shares `integer/strict_accuracy` (the reward) and `integer/lenient_accuracy` (also right where the last
    number of the text is the gold, whatever the template looks like).

    Raises:
        ValueError: a gold answer is not a plain integer, so nothing could be right.
    """
    pairs = [(completion_text(text), gold) for text, gold in zip(completions, answer, strict=True)]
    values = [_score(text, gold) for text, gold in pairs]
    if log_metric is not None and values:
        lenient = [value or _lenient(*pair) for value, pair in zip(values, pairs, strict=True)]
        log_metric("integer/strict_accuracy", sum(values) / len(values))
        log_metric("integer/lenient_accuracy", sum(lenient) / len(values))
    return values


def _score(text: str, gold: str) -> float:
    expected = canonical_integer(gold)
    if expected is None:
        raise ValueError(f"gold answer {gold[:80]!r} is not a plain integer such as '-12' or '1,234'")
    found = final_answer(text)
    return float(found is not None and canonical_integer(found) == expected)


def _lenient(text: str, gold: str) -> float:
    numbers = _INTEGER.findall(text[-MAX_CHARACTERS:])
    return float(bool(numbers) and canonical_integer(numbers[-1].rstrip(",")) == canonical_integer(gold))
