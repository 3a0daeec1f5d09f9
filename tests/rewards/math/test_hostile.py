"""Whatever the text holds, a verdict comes quickly, without recursion errors, and nothing is run."""

from __future__ import annotations

import random
import time

import pytest

from grpo.rewards.math.judge import judge
from grpo.rewards.math.result import Verdict

MEGABYTE = 1_000_000
SECONDS = 0.5
"""Of CPU; the bound aimed at is 0.2, tests run on loaded machines."""

BOXED = {
    "tower": "9^{9^{9^{9}}}",
    "difference of towers": "10^{10^{10}} - 10^{10^{10}} + 5",
    "factorial": "(10^{9})!",
    "repeated factorial": "5!!!!!!!!",
    "binomial": r"\binom{10^9}{5\cdot10^8}",
    "long sum": r"\sum_{k=1}^{10^9} k",
    "nested sums": r"\sum_{i=1}^{100}\sum_{j=1}^{100}\sum_{k=1}^{100} i",
    "factorials multiplied": r"\prod_{k=1}^{300} k!",
    "exponentials": "e^{e^{e^{e^{9}}}}",
    "large argument": r"\sin(10^{10^{6}})",
    "e-notation": "1e999999999",
    "fractions": r"\frac{" * 5000 + "1" + "}{2}" * 5000,
    "bare fractions": r"\frac" * 400,
    "roots": r"\sqrt{" * 500 + "5" + "}" * 500,
    "brackets": "(" * 1400 + "5" + ")" * 1400,
    "bars": "|x" * 500,
    "signs": "-" * 1000 + "5",
    "text": r"\text{" * 400 + "a" + "}" * 400,
    "digits": "7" * MEGABYTE,
    "letters": "x" * 2900,
    "primes": "x" + "'" * 1000,
    "commas": "1," * 1400,
    "plus-minus": ",".join(rf"\pm {n}" for n in range(300)),
    "chain": "=".join("x" * 300),
    "dots": r"\ldots" * 400,
    "unions": r"\cup".join(f"({2 * n},{2 * n + 1})" for n in range(150)),
    "set": r"\{" + ",".join(map(str, range(700))) + r"\}",
    "surds": "+".join(rf"\sqrt{{{n}}}" for n in range(2, 150)),
    "superscripts": "x" + "²³" * 1400,
    "matrix": r"\begin{pmatrix}" + r"\\".join(["1&2&3"] * 300) + r"\end{pmatrix}",
    "period": r"0.\overline{" + "12" * 1400 + "}",
    "code": "__import__('os').system('true')",
    "nulls": "\x00" * MEGABYTE,
    "large base": "Z" * 1900 + "_{36}",
}
TEXTS = {
    "digits": "7" * MEGABYTE,
    "dollars": "$" * MEGABYTE,
    "stars": "**a" * (MEGABYTE // 3),
    "open boxes": r"\boxed{" * (MEGABYTE // 7),
    "boxes": r"\boxed{1}, " * (MEGABYTE // 11),
    "braces": r"\boxed{" + "{" * MEGABYTE,
    "think": "<think>" * (MEGABYTE // 7),
    "answer tags": "<answer>" * (MEGABYTE // 8),
    "tags": "<answer>1</answer>" * (MEGABYTE // 18),
    "anchors": "the answer to the answer is " * (MEGABYTE // 28),
    "hashes": "#" * MEGABYTE,
    "numbers": "1,234 " * (MEGABYTE // 6),
    "emoji": "😀" * MEGABYTE,
    "lines": "\n" * MEGABYTE,
    "brackets": "answer (" * (MEGABYTE // 8),
}
SOUP = (
    r"\frac { } ( ) [ ] \{ \} ^ _ , ; : = < \le \in \cup \setminus \pm \sqrt \sqrt[3] \sum_{k=1}^ \binom \log_ \sin "
    r"\infty \pi e i x n 1 10 0 .5 1,000 ! % ^\circ \text{cm} and | \lfloor \rfloor + - / \cdot \begin{pmatrix} "
    r"\end{pmatrix} & \\ \ldots \overline{3} \emptyset ' \approx \boxed{ \max \mod 1e5 \over $ ** √ ² ½ 9^9^9 0^ \not"
)
PIECES = SOUP.split()
GOLDS = [
    "5",
    r"\frac{1}{2}",
    "x^2+1",
    r"\sqrt{2}",
    "(1,2)",
    r"\{1,2\}",
    "x>2",
    r"\text{even}",
    "1,2",
    r"(1,2)\cup(3,4)",
]


@pytest.mark.parametrize("name", BOXED)
def test_hostile_answers(name: str) -> None:
    for gold in GOLDS:
        _quickly_wrong(gold, rf"\boxed{{{BOXED[name]}}}")


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_texts(name: str) -> None:
    for gold in GOLDS[:4]:
        _quickly_wrong(gold, TEXTS[name])


def _quickly_wrong(gold: str, text: str) -> None:
    start = time.process_time()
    result = judge(gold, text)
    assert time.process_time() - start < SECONDS
    assert not result.equal
    assert result.verdict in (Verdict.WRONG, Verdict.UNPARSABLE, Verdict.NO_ANSWER)


@pytest.mark.parametrize(
    "name", ["tower", "factorial", "binomial", "long sum", "exponentials", "fractions", "brackets"]
)
def test_too_hard_is_said_unless_the_texts_agree(name: str) -> None:
    assert judge("5", rf"\boxed{{{BOXED[name]}}}").reason == "too_hard"
    assert judge(BOXED[name], rf"\boxed{{{BOXED[name]}}}").equal


def test_integers_of_any_length_are_compared_as_text() -> None:
    digits = "7" * 50_000
    assert judge(digits, rf"\boxed{{{digits}}}").equal
    assert judge(digits, rf"\boxed{{00{digits}}}").equal
    assert not judge(digits, rf"\boxed{{{digits[:-1]}8}}").equal


def test_random_token_soup_never_raises() -> None:
    rng = random.Random(7)
    for _ in range(3_000):
        soup = "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 12)))
        gold = "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 5)))
        result = judge(gold, rf"\boxed{{{soup}}}" if rng.random() < 0.8 else soup)
        assert isinstance(result.verdict, Verdict)
