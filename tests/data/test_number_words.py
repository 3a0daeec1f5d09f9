"""By-hand spellings, and a reader of either language that knows nothing of the writer."""

from __future__ import annotations

import random

import pytest

from grpo.data.number_words import LARGEST, chinese_number, english_number

ENGLISH_VALUES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
SAMPLE = [*range(-999, 1000), *(random.Random(5).randrange(10 ** (1 + i % 12)) for i in range(3000))]


def read_english(text: str) -> int:
    """Adds up values; `hundred` multiplies what stands since the last scale, larger scales close it."""
    sign, whole, part = 1, 0, 0
    for word in text.replace("-", " ").split():
        if word == "minus":
            sign = -1
        elif word == "hundred":
            part *= 100
        elif word in ("thousand", "million", "billion"):
            whole, part = whole + part * {"thousand": 10**3, "million": 10**6, "billion": 10**9}[word], 0
        else:
            part += ENGLISH_VALUES[word]
    return sign * (whole + part)


def read_chinese(text: str) -> int:
    """A digit waits for its unit; 万 and 亿 multiply everything since the last of them."""
    sign, whole, part, digit = 1, 0, 0, 0
    for letter in text:
        if letter == "负":
            sign = -1
        elif letter in "零一二三四五六七八九":
            digit = "零一二三四五六七八九".index(letter)
        elif letter in "十百千":
            part, digit = part + (digit or 1) * {"十": 10, "百": 100, "千": 1000}[letter], 0
        else:
            whole, part, digit = whole + (part + digit) * {"万": 10**4, "亿": 10**8}[letter], 0, 0
    return sign * (whole + part + digit)


@pytest.mark.parametrize(
    ("number", "english", "chinese"),
    [
        (0, "zero", "零"),
        (10, "ten", "十"),
        (12, "twelve", "十二"),
        (20, "twenty", "二十"),
        (-23, "minus twenty-three", "负二十三"),
        (-10, "minus ten", "负十"),
        (100, "one hundred", "一百"),
        (105, "one hundred five", "一百零五"),
        (110, "one hundred ten", "一百一十"),
        (212, "two hundred twelve", "二百一十二"),
        (1001, "one thousand one", "一千零一"),
        (1010, "one thousand ten", "一千零一十"),
        (9999, "nine thousand nine hundred ninety-nine", "九千九百九十九"),
        (100_005, "one hundred thousand five", "十万零五"),
        (10_100, "ten thousand one hundred", "一万零一百"),
        (100_000_001, "one hundred million one", "一亿零一"),
        (1_230_000, "one million two hundred thirty thousand", "一百二十三万"),
    ],
)
def test_spelt_by_hand(number: int, english: str, chinese: str) -> None:
    assert (english_number(number), chinese_number(number)) == (english, chinese)


def test_what_is_written_reads_as_the_number() -> None:
    assert [read_english(english_number(number)) for number in SAMPLE] == SAMPLE
    assert [read_chinese(chinese_number(number)) for number in SAMPLE] == SAMPLE


def test_no_two_numbers_share_a_spelling() -> None:
    assert len({english_number(n) for n in range(-999, 1000)}) == len({chinese_number(n) for n in range(-999, 1000)})
    assert len({english_number(n) for n in range(-999, 1000)}) == 1999


def test_zeros_in_chinese_are_one_letter_and_never_last() -> None:
    texts = [chinese_number(number) for number in SAMPLE if number]
    assert not [text for text in texts if "零零" in text or text.endswith("零")]


@pytest.mark.parametrize("spell", [english_number, chinese_number])
def test_numbers_without_a_name_are_refused(spell: object) -> None:
    assert callable(spell)
    spell(LARGEST - 1)
    with pytest.raises(ValueError, match="-1000000000000 has too many digits"):
        spell(-LARGEST)
