from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.rewards.integer import MAX_CHARACTERS, canonical_integer, exact_integer


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("12", "12"), ("+12", "12"), ("-12", "-12"), ("0012", "12"), ("-0", "0"), ("000", "0"), (" \n12. ", "12"),
        ("1,234", "1234"), ("-1,234,567.", "-1234567"), ("9" * 5000, "9" * 5000),
        ("", None), ("-", None), (".", None), ("12.0", None), ("12..", None), ("12 .", None), ("--1", None),
        ("+-1", None), ("1 2", None), ("- 1", None), ("1e3", None), ("0x1f", None), ("1_000", None), ("1,23", None),
        ("1234,567", None), (",123", None), ("1,,234", None), ("0,123", None), ("1,234,", None), ("$12", None),
        ("12%", None), ("٣", None), ("１２", None), ("²", None), ("−5", None), ("twelve", None), ("nan", None),
        ("9" * (MAX_CHARACTERS + 1), None),
    ],
)  # fmt: skip
def test_canonical_spelling(text: str, canonical: str | None) -> None:
    assert canonical_integer(text) == canonical


@given(st.integers())
def test_every_spelling_of_an_integer_is_the_same(value: int) -> None:
    assert canonical_integer(str(value)) == str(value)
    assert canonical_integer(f"{value:+,}") == str(value)
    assert canonical_integer(f"  {'-' if value < 0 else ''}000{abs(value)}. ") == str(value)


@given(st.text(max_size=30))
def test_anything_accepted_is_what_int_reads(text: str) -> None:
    canonical = canonical_integer(text)
    if canonical is not None:
        assert int(text.strip().removesuffix(".").replace(",", "")) == int(canonical)


@pytest.mark.parametrize(
    ("completion", "reward"),
    [
        ("<think>3+4</think><answer>7</answer>", 1.0),
        ("<answer> +07. </answer>", 1.0),
        ("<think>x</think> so <answer>7</answer> indeed", 1.0),
        ("<think>maybe <answer>8</answer></think><answer>7</answer>", 1.0),
        ("a</think><answer>8</answer></think><answer>7</answer>", 1.0),
        ("7", 0.0),
        ("<answer>8</answer>", 0.0),
        ("<answer></answer>", 0.0),
        ("<answer>7", 0.0),
        ("7</answer>", 0.0),
        ("</answer>7<answer>", 0.0),
        ("<answer>7</answer><answer>8</answer>", 0.0),
        ("<answer>7</answer><answer>7</answer>", 0.0),
        ("<answer>8</answer><answer>7</answer>", 0.0),
        ("<answer><answer>7</answer></answer>", 0.0),
        ("<answer>7</answer></answer>", 0.0),
        ("<think>7 <answer>7</answer>", 0.0),
        ("<think>a</think><think>b <answer>7</answer>", 0.0),
        ("<think>x<answer>7</answer></think>", 0.0),
        ("<ANSWER>7</ANSWER>", 0.0),
        ("<answer>6+1</answer>", 0.0),
        ("<answer>7 or 8</answer>", 0.0),
        ("<answer>__import__('os').getpid()</answer>", 0.0),
        ("", 0.0),
    ],
)
def test_exact_integer(completion: str, reward: float) -> None:
    assert exact_integer([completion], answer=["7"], prompts=["p"]) == [reward]
    assert exact_integer([[{"role": "assistant", "content": completion}]], answer=["7"]) == [reward]


def test_gold_may_have_separators_and_thousands_of_digits() -> None:
    assert exact_integer(["<answer>1234</answer>"], answer=["1,234"]) == [1.0]
    digits = "8" * 6000  # int() refuses more than 4300
    texts = [f"<answer>{digits}</answer>", f"<answer>{digits}1</answer>"]
    assert exact_integer(texts, answer=[digits] * 2) == [1.0, 0.0]


def test_a_gold_that_is_no_integer_is_an_error_not_a_zero() -> None:
    with pytest.raises(ValueError, match="gold answer '3/4' is not a plain integer"):
        exact_integer(["<answer>3/4</answer>"], answer=["3/4"])


@pytest.mark.parametrize(
    "hostile",
    [
        "<answer>" + "9" * 1_000_000 + "</answer>",
        "<answer>" + "0" * 1_000_000 + "</answer>",
        "<answer>" + "1," * 500_000 + "</answer>",
        "<answer>" + " " * 1_000_000 + "7x</answer>",
        "<answer>" * 120_000,
        "<think>" * 140_000 + "</think>" * 1000,
        "<think></think>" * 70_000,
        "<answer>" * 60_000 + "</answer>" * 60_000,
        "<" * 1_000_000,
        "<answer>9**9**9**9</answer>",
        "\u202e" * 300_000,
    ],
)
def test_a_megabyte_of_anything_is_wrong_and_fast(hostile: str) -> None:
    started = time.perf_counter()
    assert exact_integer([hostile], answer=["7"]) == [0.0]
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    ("text", "lenient"),
    [
        ("<think>3+4=7</think><answer>7", 1.0),  # the template is broken
        ("so it is 7.", 1.0),
        ("3+4", 0.0),
        ("3-7", 1.0),  # the sign is an operator
        ("it is -7", 0.0),
        ("7 or 8", 0.0),
        ("7, 0,007,", 0.0),  # no well-formed thousands
        ("", 0.0),
        ("<think>1</think><answer>7</answer> in 1 step", 1.0),  # strictly right, so right
    ],
)
def test_lenient_accuracy_is_logged_beside_the_strict_one(text: str, lenient: float) -> None:
    metrics: dict[str, float] = {}
    strict = exact_integer([text, "<answer>7</answer>"], answer=["7", "7"], log_metric=metrics.__setitem__)
    assert metrics == {
        "integer/strict_accuracy": (strict[0] + 1) / 2,
        "integer/lenient_accuracy": (lenient + 1) / 2,
    }


def test_nothing_is_logged_about_nothing() -> None:
    assert exact_integer([], answer=[], log_metric=lambda *_: pytest.fail("no items, no shares")) == []
