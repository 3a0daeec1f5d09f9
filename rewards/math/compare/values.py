"""Equality of two values: exact where both are rational, else numeric to a proven or generous precision.

A numeric test decides by itself, and no computer algebra follows. For algebraic constants the precision is that of
a root separation bound, so the test is a proof. For expressions with variables, agreement at several random points to
more than 150 bits is as good (a polynomial identity test); for transcendental constants no decision procedure is
known, and simplifiers can only confirm what the digits already say.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from grpo.rewards.math.exact import Rational, rational
from grpo.rewards.math.limits import MAX_PRECISION, TooHardError, UndefinedError
from grpo.rewards.math.literals import RELATIVE_TOLERANCE
from grpo.rewards.math.numeric import Evaluator
from grpo.rewards.math.separation import bound_of, height
from grpo.rewards.math.tree import IMAGINARY, INFINITY, Apply, Node, Number, Symbol, children, free_symbols, has_decimal

Outcome = tuple[bool, str]
"""Whether the two are equal, and the stage that decided."""

_POINTS_NEEDED = 3
_QUICK_BITS = 120


def same_value(gold: Node, answer: Node) -> Outcome:
    """Equality of two values under the rules for percentages and decimals.

    Raises:
        TooHardError: an estimate says that a bound on the work would be exceeded.
    """
    if gold == answer:
        return True, "exact"
    gold_percent, answer_percent = percentage(gold), percentage(answer)
    if gold_percent is not None and answer_percent is not None:
        return _same(gold_percent, answer_percent)
    if gold_percent is not None:
        outcome = _same(gold_percent, answer)
        return outcome if outcome[0] else _same(gold, answer)
    if answer_percent is not None:
        outcome = _same(gold, answer_percent)
        return outcome if outcome[0] else _same(gold, answer)
    return _same(gold, answer)


def percentage(node: Node) -> Node | None:
    """The p of `p%`, else None."""
    if isinstance(node, Apply):
        if node.head == "percent":
            return node.args[0]
        if node.head == "negate":
            inner = percentage(node.args[0])
            return None if inner is None else Apply("negate", (inner,))
    return None


def _same(gold: Node, answer: Node) -> Outcome:
    if gold == answer:
        return True, "exact"
    infinite = _infinite(gold), _infinite(answer)
    if infinite != (0, 0):
        return infinite[0] == infinite[1], "exact"
    try:
        left, right = rational(gold), rational(answer)
    except UndefinedError:
        return False, "exact"
    decimal = has_decimal(gold) or has_decimal(answer)
    if left is not None and right is not None:
        return left == right or (decimal and within_tolerance(left, right)), "exact"
    names = sorted(free_symbols(gold) | free_symbols(answer))
    if not names:
        return _same_constant(gold, answer, decimal)
    return _same_everywhere(gold, answer, names, decimal), "numeric"


def within_tolerance(gold: Rational, answer: Rational) -> bool:
    """Relative error of at most 1e-6."""
    return abs(Fraction(gold) - answer) * RELATIVE_TOLERANCE <= max(abs(Fraction(gold)), abs(Fraction(answer)))


def _infinite(node: Node) -> int:
    """1, -1, or 0 for a finite value."""
    if node == INFINITY:
        return 1
    if isinstance(node, Apply) and node.head == "negate":
        return -_infinite(node.args[0])
    return 0


def _same_constant(gold: Node, answer: Node, decimal: bool) -> Outcome:
    try:
        quick = Evaluator(_QUICK_BITS)
        left, right = quick(gold, {}), quick(answer, {})
        scale = max(abs(left), abs(right))
        if decimal:
            return bool(abs(left - right) * RELATIVE_TOLERANCE <= scale), "numeric"
        if abs(left - right) > quick.mp.ldexp(scale, -_QUICK_BITS // 2):
            return False, "numeric"
        bound = bound_of(Apply("subtract", (gold, answer)))
        spelled = height(gold) + height(answer)
        needed = min(bound.bits + 1 if bound is not None else 150 + 2 * spelled, MAX_PRECISION)
        precise = Evaluator(int(min(needed + 2 * spelled + 64, 2 * MAX_PRECISION)))
        difference = precise(gold, {}) - precise(answer, {})
        equal = bool(abs(difference) <= precise.mp.ldexp(1, -int(needed)))
        return equal, "exact" if bound is not None else "numeric"
    except UndefinedError:
        return False, "numeric"


def points(names: list[str]) -> Iterator[tuple[bool, dict[str, Fraction]]]:
    """Fixed pseudo-random points, with whether all coordinates are whole: positive, mixed in sign, large, whole.

    Whole coordinates are for expressions that have values only there, such as `(-1)^n` and sums up to n.
    """
    generator = random.Random(20_231)
    for kind in ("positive", "mixed", "mixed", "positive", "large", "mixed", "small", "mixed"):
        point = {}
        for name in names:
            size = Fraction(generator.randrange(10_007, 30_011), 10_007)
            size = size * 7 if kind == "large" else size / 4 if kind == "small" else size
            point[name] = -size if kind == "mixed" and generator.random() < 0.5 else size
        yield False, point
    for _ in range(6):
        chosen = generator.sample(range(2, 12), min(len(names), 10))
        yield True, {name: Fraction(chosen[index % len(chosen)]) for index, name in enumerate(names)}


def _same_everywhere(gold: Node, answer: Node, names: list[str], decimal: bool) -> bool:
    """Agreement at every point where both have a value, and at three at least."""
    spelled = min(height(gold) + height(answer), MAX_PRECISION / 2)
    complex_numbers = _mentions(gold, IMAGINARY) or _mentions(answer, IMAGINARY)
    for real in (False,) if complex_numbers else (True, False):
        evaluator = Evaluator(int(300 + 2 * spelled), real=real)
        agreed = 0
        for whole, point in points(names):
            if whole and agreed >= _POINTS_NEEDED:
                return True
            values = _values(evaluator, (gold, answer), point)
            if values is None:
                continue
            if not _close(evaluator, values[0], values[1], decimal):
                return False
            agreed += 1
        if agreed >= _POINTS_NEEDED:
            return True
    return False


def _values(evaluator: Evaluator, nodes: tuple[Node, ...], point: dict[str, Fraction]) -> list[Any] | None:
    place = {name: evaluator.of_rational(value) for name, value in point.items()}
    try:
        return [evaluator(node, place) for node in nodes]
    except UndefinedError:
        return None


def _close(evaluator: Evaluator, left: Any, right: Any, decimal: bool) -> bool:
    scale = max(abs(left), abs(right))
    if decimal:
        return bool(abs(left - right) * RELATIVE_TOLERANCE <= scale)
    return bool(abs(left - right) <= evaluator.mp.ldexp(max(scale, 1), -evaluator.mp.prec // 2))


def proportional(gold: Node, answer: Node, *, positive: bool = False) -> bool:
    """Whether one expression is the other times a non-zero (or positive) constant, wherever both are defined."""
    names = sorted(free_symbols(gold) | free_symbols(answer))
    decimal = has_decimal(gold) or has_decimal(answer)
    evaluator = Evaluator(int(300 + 2 * min(height(gold) + height(answer), MAX_PRECISION / 2)))
    factor: Any = None
    agreed = 0
    for whole, point in points(names):
        if whole and agreed >= _POINTS_NEEDED:
            break
        values = _values(evaluator, (gold, answer), point)
        if values is None:
            continue
        left, right = values
        tiny = evaluator.mp.ldexp(1, -evaluator.mp.prec // 3)
        if abs(left) < tiny or abs(right) < tiny:
            if abs(left) < tiny and abs(right) < tiny:
                continue
            return False
        if factor is None:
            factor = left / right
        elif not _close(evaluator, factor, left / right, decimal):
            return False
        agreed += 1
    if factor is None or agreed < _POINTS_NEEDED:
        return False
    return not positive or (evaluator.is_real(factor) and factor.real > 0)


def _mentions(node: Node, symbol: Symbol) -> bool:
    return node == symbol or any(_mentions(child, symbol) for child in children(node))


def approximate(node: Node) -> Any | None:
    """A real number to about 60 digits for ordering, ±infinity included, or None."""
    evaluator = Evaluator(200)
    sign = _infinite(node)
    if sign:
        return evaluator.mp.inf * sign
    if free_symbols(node):
        return None
    try:
        value = evaluator.simplified(evaluator(node, {}))
    except (UndefinedError, TooHardError):
        return None
    return value if isinstance(value, evaluator.mp.mpf) else None


def zero_minus(left: Node, right: Node) -> Node:
    """`left - right`, with nothing subtracted where `right` is the literal 0."""
    return left if right == Number(0) else Apply("subtract", (left, right))
