from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.rewards.math.literals import Quantity, canonical_digits, read_quantity, same_quantity


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("42", Quantity(42)),
        ("-42", Quantity(-42)),
        ("+7.", Quantity(7)),
        ("007", Quantity(7)),
        ("1,234,567", Quantity(1234567)),
        (r"\$1,000", Quantity(1000)),
        ("-$5", Quantity(-5)),
        ("$-5", Quantity(-5)),
        (".5", Quantity(5, 10, True)),
        ("2.50", Quantity(250, 100, True)),
        (r"50\%", Quantity(50, percent=True)),
        ("12.5%", Quantity(125, 10, True, True)),
        (r"\frac{3}{4}", Quantity(3, 4)),
        (r"-\dfrac{3}{-4}", Quantity(3, 4)),
        ("3/4", Quantity(3, 4)),
        ("-3 / 4", Quantity(-3, 4)),
        ("1,23", None),
        ("1234,567", None),
        ("", None),
        ("--5", None),
        ("5x", None),
        ("3/0", None),
        (r"\frac{1}{0}", None),
        ("4 2", None),
        ("٣", None),
        ("1e5", None),
        ("9" * 4001, None),
    ],
)
def test_readings(text: str, quantity: Quantity | None) -> None:
    assert read_quantity(text) == quantity


@pytest.mark.parametrize(
    ("gold", "answer", "equal"),
    [
        ("1/3", "0.3333333", True),
        ("1/3", "0.333333", True),
        ("1/3", "0.33333", False),
        ("2/3", "0.67", False),
        ("1000000", "1000001", False),
        ("1000000.0", "1000001", True),
        ("0", "0.0000001", False),
        ("50%", "50", True),
        ("50%", "0.5", True),
        ("50%", "1/2", True),
        ("50", "50%", True),
        ("0.5", "50%", True),
        ("50%", "0.5%", False),
        ("0.5", "50", False),
        ("50", "0.5", False),
        ("50%", "5", False),
    ],
)
def test_tolerance_and_percentages(gold: str, answer: str, equal: bool) -> None:
    left, right = read_quantity(gold), read_quantity(answer)
    assert left is not None and right is not None
    assert same_quantity(left, right) is equal


@given(st.integers(), st.integers(min_value=1, max_value=10**6), st.integers(min_value=1, max_value=1000))
def test_fractions_in_any_terms_are_equal(top: int, bottom: int, factor: int) -> None:
    left = read_quantity(rf"\frac{{{top}}}{{{bottom}}}")
    right = read_quantity(f"{top * factor}/{bottom * factor}")
    assert left is not None and right is not None and same_quantity(left, right)
    other = read_quantity(f"{top * factor + 1}/{bottom * factor}")
    assert other is not None and not same_quantity(left, other)


def test_digits_of_any_length() -> None:
    assert canonical_digits("-000" + "7" * 5000) == "-" + "7" * 5000
    assert canonical_digits("-0") == "0"
    assert canonical_digits("1.0") is None
