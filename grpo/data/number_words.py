"""Whole numbers in English and Chinese words."""

from __future__ import annotations

LARGEST = 10**12
"""Numbers must lie below this and above its negative."""

_ENGLISH_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_ENGLISH_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ENGLISH_SCALES = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"), (10**2, "hundred"))

_CHINESE_DIGITS = "零一二三四五六七八九"
_CHINESE_UNITS = ("千", "百", "十", "")
_CHINESE_GROUPS = ("亿", "万", "")
"""Units of the groups of four digits."""


def english_number(number: int) -> str:
    """-123 → `minus one hundred twenty-three`, without `and`; raises ValueError from `LARGEST` on."""
    _check(number)
    return f"minus {_english(-number)}" if number < 0 else _english(number)


def _english(number: int) -> str:
    if number < len(_ENGLISH_SMALL):
        return _ENGLISH_SMALL[number]
    for scale, name in _ENGLISH_SCALES:
        if number >= scale:
            count, rest = divmod(number, scale)
            return f"{_english(count)} {name}" + (f" {_english(rest)}" if rest else "")
    tens, ones = divmod(number, 10)
    return _ENGLISH_TENS[tens] + (f"-{_ENGLISH_SMALL[ones]}" if ones else "")


def chinese_number(number: int) -> str:
    """-123 → `负一百二十三`; raises ValueError from `LARGEST` on.

    2 is 二 throughout, as in sums. A leading 一十 is 十; zeros inside are one 零.
    """
    _check(number)
    if number < 0:
        return f"负{chinese_number(-number)}"
    if number == 0:
        return _CHINESE_DIGITS[0]
    text = ""
    for place, unit in enumerate(_CHINESE_GROUPS):
        group = number // 10 ** (4 * (len(_CHINESE_GROUPS) - 1 - place)) % 10**4
        if group:
            gap = _CHINESE_DIGITS[0] if text and group < 10**3 else ""
            text += gap + _chinese_group(group) + unit
    return text[1:] if text.startswith("一十") else text


def _chinese_group(group: int) -> str:
    """1 to 9,999, 10 as 一十."""
    text, skipped = "", False
    for digit, unit in zip(f"{group:04}", _CHINESE_UNITS, strict=True):
        if digit == "0":
            skipped = True
            continue
        text += (_CHINESE_DIGITS[0] if skipped and text else "") + _CHINESE_DIGITS[int(digit)] + unit
        skipped = False
    return text


def _check(number: int) -> None:
    if abs(number) >= LARGEST:
        raise ValueError(f"{number} has too many digits to spell; valid are numbers below {LARGEST:,} in size")
