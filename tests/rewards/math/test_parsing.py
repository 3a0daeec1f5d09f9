from __future__ import annotations

from fractions import Fraction

import pytest

from grpo.rewards.math.exact import rational
from grpo.rewards.math.limits import NotMathsError, TooHardError, UndefinedError
from grpo.rewards.math.normalise import join_groups, plain, squeeze, tidy
from grpo.rewards.math.parsing import parse
from grpo.rewards.math.tree import Apply, Group, Matrix, Number, Relation, Symbol, Words


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2+3*4", 14),
        ("2^3^2", 512),
        ("-2^2", -4),
        ("(-2)^2", 4),
        ("6/2*3", 9),
        (r"2\frac{1}{3}", Fraction(7, 3)),
        (r"-2\frac{1}{3}", Fraction(-7, 3)),
        ("2 1/3", Fraction(7, 3)),
        (r"2\cdot\frac13", Fraction(2, 3)),
        (r"\frac12", Fraction(1, 2)),
        (r"\frac{1}2", Fraction(1, 2)),
        ("5!", 120),
        ("5!!", 15),
        (r"\binom{5}{2}", 10),
        (r"\sqrt{9/4}", Fraction(3, 2)),
        (r"\sqrt[3]{-8}", -2),
        ("8^{2/3}", 4),
        ("2^{-2}", Fraction(1, 4)),
        (r"\log_28", 3),
        (r"\log_{10} 1000", 3),
        (r"|3-5|", 2),
        (r"\left\lfloor -2.5 \right\rfloor", -3),
        (r"\lceil 2.1 \rceil", 3),
        (r"\sum_{k=1}^{4} k^2", 30),
        (r"\prod_{k=1}^4 k", 24),
        (r"\gcd(12,18)", 6),
        (r"\operatorname{lcm}(4,6)", 12),
        (r"17 \bmod 5", 2),
        (r"0.\overline{36}", Fraction(4, 11)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        ("0.333...", Fraction(1, 3)),
        ("1011_2", 11),
        (r"1011_{(2)}", 11),
        (r"\text{FF}_{16}", 255),
        ("1,234", 1234),
        (r"1{,}234", 1234),
        ("1.234.567", 1234567),
        ("6.5e3", 6500),
        (r"5\%", Fraction(1, 20)),
        (r"5\text{ cm}^2", 5),
        (r"\$5", 5),
        ("5 million", 5_000_000),
        (r"7^\circ", 7),
        (r"{3 \over 4}", Fraction(3, 4)),
        (r"\dfrac{\,3\,}{4}", Fraction(3, 4)),
    ],
)
def test_rational_values(text: str, value: int | Fraction) -> None:
    assert rational(parse(tidy(text))) == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x", Symbol),
        ("x+1", Apply),
        ("(1,2)", Group),
        (r"\{1\}", Group),
        ("1,2", Group),
        ("x=1", Relation),
        ("1<x<2", Relation),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", Matrix),
        (r"\text{east}", Words),
        ("3:2", Apply),
        (r"(1,2)\cup(3,4)", Apply),
        (r"\begin{cases}x=1\\y=2\end{cases}", Group),
        ("P(2,3)", Group),
        ("f(2)", Symbol),
        ("12:30", Apply),
    ],
)
def test_kinds(text: str, kind: type) -> None:
    assert isinstance(parse(text), kind)


@pytest.mark.parametrize(
    "text", ["", "(1", "1)", "4 2", "+", r"\frac{1}", "(1,2,3]", r"\int x", "1..2", "x=", r"\left("]
)
def test_what_is_no_maths(text: str) -> None:
    with pytest.raises(NotMathsError):
        parse(text)


@pytest.mark.parametrize(
    "text", ["(" * 200 + "1" + ")" * 200, "1+" * 900 + "1", "x" * 5000, "1e99999", "*".join(["x"] * 300)]
)
def test_what_is_too_hard_to_parse(text: str) -> None:
    with pytest.raises(TooHardError):
        parse(text)


@pytest.mark.parametrize(
    "text", ["9^{9^{9}}", "(10^9)!", r"\binom{10^9}{5\cdot 10^8}", r"\sum_{k=1}^{10^8} k", "2^{60000}"]
)
def test_sizes_are_estimated_before_the_work(text: str) -> None:
    with pytest.raises(TooHardError):
        rational(parse(text))


@pytest.mark.parametrize("text", ["1/0", "0^{-1}", "(-3)!"])
def test_undefined_values(text: str) -> None:
    with pytest.raises(UndefinedError):
        rational(parse(text))


def test_fractions_keep_their_digits_apart_only_after_frac() -> None:
    assert parse("x^10") == Apply("power", (Symbol("x"), Number(10)))
    assert parse(r"\sqrt12") == Apply("sqrt", (Number(12),))


@pytest.mark.parametrize(
    ("unicode", "latex"),
    [
        ("x²", "x^{2}"),
        ("x₁₂", "x_{12}"),
        ("−５", "-5"),
        ("½", r"\frac{1}{2}"),
        ("３×4", r"3\times 4"),
        ("٤٢", "42"),
        ("a\u200bb", "ab"),
    ],
)
def test_unicode_means_latex(unicode: str, latex: str) -> None:
    assert plain(unicode) == latex


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("1,000", "1000"),
        ("1 000 000", "1000000"),
        (r"1\,000", "1000"),
        (r"1,\!000", "1000"),
        ("1'000", "1000"),
        ("1,00", "1,00"),
        ("1,0000", "1,0000"),
        ("1,000,00", "1,000,00"),
        ("(1,200)", "(1,200)"),
        ("1, 200", "1, 200"),
        ("1,000 000", "1,000 000"),
        ("1.000", "1.000"),
        ("12,345 and 6", "12345 and 6"),
    ],
)
def test_thousands_separators(text: str, joined: str) -> None:
    assert join_groups(text) == joined


def test_delimiters_and_full_stops_go() -> None:
    assert [tidy(text) for text in ("$5$.", r"\(5\)", "**5**", " 5, ", "$$5$$", r"5\ ", "a.m.")] == ["5"] * 6 + ["a.m."]
    assert squeeze("1 2") != squeeze("12")
    assert squeeze(r"\left( x , y \right)") == squeeze("(x,y)")
