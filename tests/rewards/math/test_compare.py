from __future__ import annotations

import pytest

from grpo.rewards.math.compare import equivalent
from grpo.rewards.math.compare.realsets import real_set, same_set
from grpo.rewards.math.compare.values import same_value
from grpo.rewards.math.limits import TooHardError
from grpo.rewards.math.parsing import parse
from grpo.rewards.math.separation import bound_of, height


@pytest.mark.parametrize(
    ("left", "right", "equal", "path"),
    [
        (r"\sqrt{2}+\sqrt{3}", r"\sqrt{5+2\sqrt{6}}", True, "exact"),
        (r"\sqrt{2}", r"\sqrt{2}+10^{-60}", False, "exact"),
        (r"\pi", r"\pi+10^{-60}", False, "numeric"),
        ("640320^3+744", r"e^{\pi\sqrt{163}}", False, "numeric"),
        (r"10^{40}", r"10^{40}+1", False, "exact"),
        (r"e^{i\pi}", "-1", True, "numeric"),
        (r"\sqrt{x^2}", "|x|", True, "numeric"),
        (r"\sqrt{x^2}", "x", False, "numeric"),
        (r"2\ln x", r"\ln x^2", True, "numeric"),
        (r"(-1)^n", r"\cos(\pi n)", True, "numeric"),
        (r"\sum_{k=1}^n k", r"\frac{n(n+1)}{2}", True, "numeric"),
        (r"\sin 30^\circ", r"\frac12", True, "numeric"),
        ("0.5x", r"\frac{x}{2}", True, "numeric"),
        (r"\pi", "3.1415927", True, "numeric"),
        (r"\pi", "3.1416", False, "numeric"),
        ("1/0", "1/0+0", False, "exact"),
        (r"\infty", r"-\infty", False, "exact"),
    ],
)
def test_values(left: str, right: str, equal: bool, path: str) -> None:
    assert same_value(parse(left), parse(right)) == (equal, path)


def test_too_large_values_are_refused_before_they_are_computed() -> None:
    with pytest.raises(TooHardError):
        same_value(parse(r"e^{e^{e^{9}}}"), parse("5"))


def test_the_separation_bound_holds_for_a_known_gap() -> None:
    """√(n+1) − √n > 0 is about 1/(2√n); the bound must lie below it and not absurdly far."""
    bound = bound_of(parse(r"\sqrt{1000001}-\sqrt{1000000}"))
    assert bound is not None
    assert 11 <= bound.bits <= 200
    assert bound_of(parse(r"\pi")) is None
    assert height(parse("10^{-60}")) > 200


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (r"(1,3]\cup(2,5)", "(1,5)", True),
        (r"(1,2)\cup(2,3)", "(1,3)", False),
        (r"(1,2]\cup(2,3)", "(1,3)", True),
        (r"\mathbb{R}\setminus\{0\}", r"(-\infty,0)\cup(0,\infty)", True),
        (r"(0,5)\cap(3,9)", "(3,5)", True),
        ("x>2", r"(2,\infty)", True),
        ("2x>4", r"(2,\infty)", True),
        ("-x>-2", r"(-\infty,2)", True),
        ("|x|<3", "(-3,3)", True),
        (r"|x-1|\ge2", r"(-\infty,-1]\cup[3,\infty)", True),
        (r"\{x\mid x\le1\}", r"(-\infty,1]", True),
        ("x>2", r"[2,\infty)", False),
        (r"(0,\sqrt{4})", "(0,2)", True),
    ],
)
def test_real_sets(left: str, right: str, equal: bool) -> None:
    first, second = real_set(parse(left)), real_set(parse(right))
    assert first is not None and second is not None
    assert same_set(first, second) is equal


@pytest.mark.parametrize(
    ("gold", "answer", "equal"),
    [
        ("y=7", "7", True),
        ("7", "y=7", True),
        ("y=7", "z=7", False),
        ("7", "x+2=9", False),
        ("7", "3+5=7", False),
        ("x+y=2", "2y=4-2x", True),
        ("x+y=2", "x-y=2", False),
        ("x>2", "4<2x", True),
        ("(2,\\infty)", "x>2", False),
        ("x<1 \\text{ or } x>2", "1<x<2", False),
        ("1,2", "2,1", True),
        ("(1,2)", "(2,1)", False),
        ("(1,2)", "[1,2]", False),
        ("(1,2,3)", "[1,2,3]", True),
        ("1,2", "1,2,2", False),
        ("1 \\pm 2", "3,-1", True),
        ("x=1,y=2", "(1,2)", True),
        ("x=1,y=2", "(2,1)", False),
        ("3:2", "6:4", True),
        ("05:00", "09:00", False),
        ("\\{1,2,\\ldots,5\\}", "1,2,3,4,5", True),
        ("\\emptyset", "\\text{no solution}", True),
        ("\\mathbb{R}", "\\text{all real numbers}", True),
    ],
)
def test_types(gold: str, answer: str, equal: bool) -> None:
    assert equivalent(parse(gold), parse(answer))[0] is equal
