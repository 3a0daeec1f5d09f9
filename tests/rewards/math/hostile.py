"""Texts that a verifier must survive, drawn from a seed: too large, too deep, unreadable, or code in disguise."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

GOLDS = ("4621", r"\frac{317}{701}", "x^2 + 39x - 523", "(41, 907)", r"\{53, 61, 83\}", r"\sqrt{4099}", "0.12571",
         r"[41, \infty)", "17.31\\%", "3:04 pm", r"\text{(C)}", r"\begin{pmatrix} 53 \\ 61 \end{pmatrix}")  # fmt: skip
"""No hostile text below equals any of them."""
WRAPPERS = (r"\boxed{%s}", r"so $\boxed{%s}$.", "<answer>%s</answer>", "<think>2</think>\\boxed{%s}", "#### %s",
            "The answer is %s", "$%s$", "%s", r"\[ \boxed{\displaystyle %s} \]")  # fmt: skip


def hostile_pairs(seed: int, count: int, canary: Path) -> Iterator[tuple[str, str]]:
    """`count` pairs of gold and text; in one of ten the gold is the hostile one. Code would create `canary`."""
    rng = random.Random(seed)
    for index in range(count):
        family = FAMILIES[index % len(FAMILIES)]
        body = CODE_OF[family](rng, canary) if family in CODE_OF else family(rng)  # type: ignore[operator]
        text = rng.choice(WRAPPERS).replace("%s", body)
        gold = rng.choice(GOLDS)
        yield (body, rf"\boxed{{{gold}}}") if rng.random() < 0.1 else (gold, text)


FACTORIALS = ("N!", "(N!)!", "N@", r"\binom{N}{N}@", r"\frac{N!}{N!}@")
DECIMALS = ("1e999999999", "1e-999999999", "0.0N1", "1.NeN", r"3 \times 10^{N}", r"0.\overline{N}")
ODDITIES = (
    "x^{5000}-x-1=0", "y=y=y=y", "0=0", "1/0", r"\frac{0}{0}", "0^{-1}", r"\log 0", "0^0=5", r"\tan\frac{\pi}{2}",
    "x=x", r"\infty-\infty", "i^{i^{i^{i}}}", "(-8)^{1/3}^{1/3}", r"\sqrt{-0}!", "(1/2)!!", "nan", "inf", "None",
    "1_000_0", "0x1f", "1e5j",
)  # fmt: skip
CALLS = (
    "open('@', 'w')", "__import__('os').mknod('@')", "__import__('os').system('touch @')",
    "__import__('pathlib').Path('@').touch()",
)  # fmt: skip
DISGUISES = (
    "CALL", "eval(QUOTED)", "exec(QUOTED)", "sympify(QUOTED)", "parse_expr(QUOTED)", "[CALL]", "(CALL, 1)",
    "Matrix([[CALL]])", "lambda: CALL", "(CALL) + x", "x.__class__.__init__.__globals__", "{CALL}", r"\text{CALL}",
    "().__class__.__base__.__subclasses__()", "f'{CALL}'", "1 if CALL else 2", "S(QUOTED)", "Integer(CALL)",
    "getattr(__builtins__, 'ex'+'ec')(QUOTED)", "Symbol('x', commutative=CALL)", r"\frac{CALL}{2}", r"\sqrt[CALL]{2}",
    "x_{CALL}", "__import__('os')", "\ufeffCALL", r"CALL\pi", r"\begin{pmatrix}CALL\end{pmatrix}", "`touch @`",
    "$(touch @)", "; touch @ ;", "cos\nsystem\n(S'touch @'\ntR.", "!!python/object/apply:os.system ['touch @']",
    r"\input{@}", r"\write18{touch @}", "%7BCALL%7D", "ESCAPED", "eval('ESCAPED')", "\N{FULLWIDTH LOW LINE}CALL",
)  # fmt: skip


def _large(rng: random.Random, most: int) -> int:
    """Log-uniform: small sizes are as hostile as large ones, and far cheaper to test."""
    return int(2 ** rng.uniform(2, most.bit_length() - 1))


def powers(rng: random.Random) -> str:
    height = rng.randint(2, 30)
    bases = [str(rng.randint(2, 10 ** rng.randint(1, 9))) for _ in range(height)]
    if rng.random() < 0.5:
        return "^{".join(bases) + "}" * (height - 1)
    return rng.choice(("^", "**")).join(bases)


def negative_powers(rng: random.Random) -> str:
    return rf"(1+10^{{-{_large(rng, 10**9)}}})^{{10^{{{rng.randint(5, 400)}}}}} - 1"


def factorials(rng: random.Random) -> str:
    number = str(rng.randint(5, 10 ** rng.randint(2, 30)))
    return rng.choice(FACTORIALS).replace("N", number).replace("@", "!" * rng.randint(1, 300))


def binomials(rng: random.Random) -> str:
    top = rng.randint(10**6, 10 ** rng.randint(7, 40))
    return rng.choice((r"\binom{%d}{%d}", r"\dbinom{%d}{%d}")) % (top, top // rng.randint(2, 5))


def fractions(rng: random.Random) -> str:
    depth = _large(rng, 5000)
    return r"\frac{" * depth + "1" + "}{3}" * depth


def continued_fractions(rng: random.Random) -> str:
    depth = _large(rng, 5000)
    return r"1+\cfrac{1}{" * depth + "7" + "}" * depth


def roots(rng: random.Random) -> str:
    depth = _large(rng, 3000)
    return rng.choice((r"\sqrt{7+", r"\sqrt[3]{", r"\sqrt[99999999]{11+")) * depth + "5" + "}" * depth


def brackets(rng: random.Random) -> str:
    depth = _large(rng, 100_000)
    opening, closing = rng.choice(
        (("{", "}"), ("(", ")"), ("[", "]"), (r"\left(", r"\right)"), ("|", "|"), (r"\{", r"\}"))
    )
    return opening * depth + "11" + closing * rng.choice((depth, 0, depth // 2))


def digits(rng: random.Random) -> str:
    length = _large(rng, 1 << 20)
    return rng.choice("123456789") * length + rng.choice(("", ".", "." + "3" * length, "e99999999", ",000" * 1000))


def decimals(rng: random.Random) -> str:
    return rng.choice(DECIMALS).replace("N", "9" * _large(rng, 20_000))


def lists(rng: random.Random) -> str:
    items = [str(rng.randint(0, 99)) for _ in range(_large(rng, 100_000))]
    opening, closing = rng.choice((("{", "}"), ("(", ")"), (r"\{", r"\}"), ("", "")))
    return opening + ", ".join(items) + ",71" + closing


def sums(rng: random.Random) -> str:
    count = _large(rng, 50_000)
    return rng.choice(("+", "-", r"\cdot ", r"\pm ", "/", "=", "<", r"\cup ", r"\times ")).join(
        ["x", "y", "13"] * count
    )


def expansions(rng: random.Random) -> str:
    power = _large(rng, 10**6)
    return f"(x+y+z+w+1)^{{{power}}}" + rng.choice(("", f"(a+b+c)^{{{power}}}", f" - (x-y)^{power}"))


def big_operators(rng: random.Random) -> str:
    top = rng.choice(("10^{9}", r"\infty", "9" * 30, "n"))
    return (
        rng.choice(
            (
                r"\sum_{k=1}^{%s} \frac{1}{k^k}",
                r"\prod_{k=1}^{%s} k!",
                r"\int_0^{%s} e^{x^x} dx",
                r"\lim_{n \to %s} n!^{n!}",
            )
        )
        % top
    )


def functions(rng: random.Random) -> str:
    depth = _large(rng, 2000)
    name = rng.choice((r"\sin", r"\exp", r"\log", r"\arctan", r"\Gamma", r"\lfloor", "e^"))
    return (name + "{(") * depth + "3" + ")}" * depth


def matrices(rng: random.Random) -> str:
    side = _large(rng, 300)
    row = "&".join(["9^{9^9}"] * side)
    return r"\begin{pmatrix}" + r"\\".join([row] * side) + r"\end{pmatrix}" + rng.choice(("", "^{-1}", "^{999999999}"))


def lookalikes(rng: random.Random) -> str:
    alphabet = (
        "٣४３²³⁹₂①⑨〇九Ⅻ½⅞↉π𝟐𝟡𝒙−–—‒﹣－×⋅∗÷∕⁄√∛∞≤≥≠±°"
        "％（）［］｛｝，．：＾＿＝ſKÅ\u200b\u200d\ufeff\u202e\u00a0\u2061\u0301"
    )
    return "".join(rng.choice(alphabet) for _ in range(_large(rng, 3000)))


def expanding_characters(rng: random.Random) -> str:
    return rng.choice("ﷺ㍿㋿⁗ﬃ㏂") * _large(rng, 100_000)  # one character each, many after compatibility folding


def broken(rng: random.Random) -> str:
    alphabet = "\0\x01\x1b\x7f\ud800\udfff\uffff\U0010ffff\r\n\t\\{}$^_&%#~'\"`|"
    return "".join(rng.choice(alphabet) for _ in range(_large(rng, 20_000)))


def commands(rng: random.Random) -> str:
    known = (
        r"\frac",
        r"\sqrt",
        r"\boxed",
        r"\text",
        r"\left",
        r"\right",
        r"\begin{",
        r"\end{",
        r"\def",
        r"\input",
        r"\mathrm",
        r"\over",
        r"\overline",
        "^",
        "_",
        "{",
        "}",
        "&",
        r"\\",
        "$",
        "$$",
        r"\(",
        r"\]",
        "1",
        "x",
        "!",
    )
    return "".join(rng.choice(known) for _ in range(_large(rng, 20_000)))


def boxes(rng: random.Random) -> str:
    depth = _large(rng, 50_000)
    return (
        rng.choice((r"\boxed{", r"\fbox{", r"\boxed{\text{", "<answer>", "<think>", "</think>", "**", "答案")) * depth
        + "19"
    )


def back_trackers(rng: random.Random) -> str:
    count = _large(rng, 50_000)
    return rng.choice(
        (
            "a" * count + "!",
            " " * count + "x",
            "1," * count + "x",
            "(a|" * count,
            "$" * count,
            "-" * count + "7x",
            "1 1/" * count,
            "and " * count,
        )
    )


def variables(rng: random.Random) -> str:
    return "+".join(f"x_{{{index}}}^{{{rng.randint(2, 99)}}}" for index in range(_large(rng, 5000)))


def equations(rng: random.Random) -> str:
    return rng.choice(ODDITIES)


def code(rng: random.Random, canary: Path) -> str:
    call = rng.choice(CALLS)
    escaped = "".join(rf"\x{ord(character):02x}" for character in call.replace("@", str(canary)))
    disguised = rng.choice(DISGUISES).replace("QUOTED", repr(call)).replace("CALL", call).replace("ESCAPED", escaped)
    return disguised.replace("@", str(canary))


CODE_OF: dict[object, Callable[[random.Random, Path], str]] = {code: code}
FAMILIES = (powers, negative_powers, factorials, binomials, fractions, continued_fractions, roots, brackets, digits,
            decimals, lists, sums, expansions, big_operators, functions, matrices, lookalikes, expanding_characters,
            broken, commands, boxes, back_trackers, variables, equations, code, code, code)  # fmt: skip
