"""Plain numbers, read without a parser: integers, decimals, fractions, percentages, currency, thousands separators.

About eight answers in ten are one of these, so this path decides most verdicts in microseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

RELATIVE_TOLERANCE = 1_000_000
"""A decimal equals a value when they differ by at most one part in this many."""
MAX_DIGITS = 4_000
"""`int` is quadratic in the digits; longer integers are compared as text."""

# Each pattern consumes a character in only one way, so matching is linear in the length of the text.
_DECIMAL = re.compile(
    r"([+-]?) ?(?:\\?\$ ?)?([+-]?)(?:(\d+(?:,\d\d\d)*)(?:\.(\d*))?|\.(\d+)) ?(\\?%)?\.?", re.ASCII
)  # fmt: skip
_FRACTION = re.compile(r"([+-]?) ?\\[dtc]?frac ?\{ ?([+-]?\d+) ?\} ?\{ ?([+-]?\d+) ?\}\.?", re.ASCII)
_SLASH = re.compile(r"([+-]?\d+) ?/ ?(\d+)\.?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Quantity:
    """`numerator / denominator` (positive), and whether it was written as a decimal or as a percentage."""

    numerator: int
    denominator: int = 1
    decimal: bool = False
    percent: bool = False

    @property
    def value(self) -> int | Fraction:
        return self.numerator if self.denominator == 1 else Fraction(self.numerator, self.denominator)


def read_quantity(text: str) -> Quantity | None:
    """The number a text is, or None when it is anything else (which says nothing against it)."""
    if len(text) > MAX_DIGITS:
        return None
    match = _DECIMAL.fullmatch(text)
    if match is not None:
        return _from_decimal(match)
    match = _FRACTION.fullmatch(text)
    if match is not None:
        numerator, denominator = int(match[2]), int(match[3])
        if match[1] == "-":
            numerator = -numerator
    else:
        match = _SLASH.fullmatch(text)
        if match is None:
            return None
        numerator, denominator = int(match[1]), int(match[2])
    if denominator == 0:
        return None
    return Quantity(numerator, denominator) if denominator > 0 else Quantity(-numerator, -denominator)


def _from_decimal(match: re.Match[str]) -> Quantity | None:
    sign, inner_sign, whole, fraction, bare_fraction, percent = match.groups()
    if sign and inner_sign:
        return None
    whole = whole or "0"
    if "," in whole:
        first = whole.index(",")
        if first > 3:
            return None
        whole = whole.replace(",", "")
    digits = fraction or bare_fraction or ""
    value = int(whole + digits)
    if sign == "-" or inner_sign == "-":
        value = -value
    return Quantity(value, 10 ** len(digits), bool(digits), percent is not None)


def close(gold: Quantity, answer: Quantity) -> bool:
    """Exact equality of two exact numbers; a relative error of at most 1e-6 when either was written as a decimal."""
    left, right = gold.numerator * answer.denominator, answer.numerator * gold.denominator
    if left == right:
        return True
    if not (gold.decimal or answer.decimal):
        return False
    return abs(left - right) * RELATIVE_TOLERANCE <= max(abs(left), abs(right))


def same_quantity(gold: Quantity, answer: Quantity) -> bool:
    """Equality under the rule for percentages: `p%` is p%, the bare number p, or p/100."""
    if close(gold, answer):
        return True
    if gold.percent == answer.percent:
        return False
    if gold.percent:
        gold = Quantity(gold.numerator, gold.denominator * 100, gold.decimal)
    else:
        answer = Quantity(answer.numerator, answer.denominator * 100, answer.decimal)
    return close(gold, answer)


def canonical_digits(text: str) -> str | None:
    """A plain integer of any length in its shortest spelling, else None. Compared as text, so that length is cheap."""
    negative = text.startswith("-")
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    digits = digits.lstrip("0") or "0"
    return f"-{digits}" if negative and digits != "0" else digits
