"""Subsets of the real line as sorted disjoint intervals, built from interval, set and inequality notation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from grpo.rewards.math.compare.values import approximate, same_value, zero_minus
from grpo.rewards.math.exact import rational, substitute
from grpo.rewards.math.limits import UndefinedError
from grpo.rewards.math.tree import INFINITY, Apply, Group, Node, Number, Relation, Symbol, free_symbols

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!=", "~": "~"}


@dataclass(frozen=True, slots=True)
class End:
    """An endpoint: a number for ordering, its tree for exact equality, and whether it belongs to the set."""

    at: Any
    node: Node
    closed: bool


@dataclass(frozen=True, slots=True)
class Interval:
    low: End
    high: End


MINUS_INFINITY = End(approximate(Apply("negate", (INFINITY,))), Apply("negate", (INFINITY,)), False)
PLUS_INFINITY = End(approximate(INFINITY), INFINITY, False)
ALL_REALS = (Interval(MINUS_INFINITY, PLUS_INFINITY),)
RealSet = tuple[Interval, ...]


def same_set(gold: RealSet, answer: RealSet) -> bool:
    """Equality of two sets: the same intervals with the same open and closed ends."""
    return len(gold) == len(answer) and all(
        _same_end(left.low, right.low) and _same_end(left.high, right.high)
        for left, right in zip(gold, answer, strict=True)
    )


def same_real_set(gold: Node, answer: Node) -> bool:
    """Whether two notations mean the same set of reals; conditions must be on the same one variable."""
    names = _variables(gold), _variables(answer)
    if max(len(names[0]), len(names[1])) > 1 or (names[0] and names[1] and names[0] != names[1]):
        return False
    left = real_set(gold)
    right = real_set(answer) if left is not None else None
    return left is not None and right is not None and same_set(left, right)


def _variables(node: Node) -> frozenset[str]:
    return frozenset(name for name in free_symbols(node) if name != "infinity" and not name.startswith("set "))


def _same_end(left: End, right: End) -> bool:
    return left.closed == right.closed and same_value(left.node, right.node)[0]


def _end(node: Node, closed: bool) -> End | None:
    at = approximate(node)
    return None if at is None else End(at, node, closed and abs(at) != PLUS_INFINITY.at)


def normal(intervals: Sequence[Interval]) -> RealSet:
    """Sorted, empty ones left out, touching ones merged."""
    kept = [
        piece
        for piece in intervals
        if piece.low.at < piece.high.at or (piece.low.at == piece.high.at and piece.low.closed and piece.high.closed)
    ]
    kept.sort(key=lambda piece: (piece.low.at, not piece.low.closed))
    merged: list[Interval] = []
    for piece in kept:
        if merged and _touch(merged[-1].high, piece.low):
            last = merged.pop()
            high = max(last.high, piece.high, key=lambda end: (end.at, end.closed))
            merged.append(Interval(last.low, high))
        else:
            merged.append(piece)
    return tuple(merged)


def _touch(high: End, low: End) -> bool:
    return bool(high.at > low.at or (high.at == low.at and (high.closed or low.closed)))


def complement(pieces: RealSet) -> RealSet:
    """What is left of the real line."""
    low = MINUS_INFINITY
    gaps = []
    for piece in pieces:
        gaps.append(Interval(low, End(piece.low.at, piece.low.node, not piece.low.closed)))
        low = End(piece.high.at, piece.high.node, not piece.high.closed)
    gaps.append(Interval(low, PLUS_INFINITY))
    return normal([gap for gap in gaps if not (gap.low.at == gap.high.at and abs(gap.low.at) == PLUS_INFINITY.at)])


def intersection(left: RealSet, right: RealSet) -> RealSet:
    """De Morgan: the complement of the union of the complements."""
    return complement(normal([*complement(left), *complement(right)]))


def real_set(node: Node) -> RealSet | None:
    """The set that interval, set, union or inequality notation in at most one variable means, else None."""
    if isinstance(node, Group):
        return _of_group(node)
    if isinstance(node, Apply):
        return _of_operation(node)
    if isinstance(node, Relation):
        return _of_relation(node)
    return ALL_REALS if node == Symbol("set R") else None


def _of_group(node: Group) -> RealSet | None:
    if node.opening in ("(", "[") and len(node.items) == 2:
        low, high = _end(node.items[0], node.opening == "["), _end(node.items[1], node.closing == "]")
        if low is None or high is None or low.at > high.at:
            return None
        return normal([Interval(low, high)])
    if node.opening == "{":
        ends = [_end(item, True) for item in node.items]
        if any(end is None or not end.closed for end in ends):
            return None
        return normal([Interval(end, end) for end in ends if end is not None])
    return _of_list(node) if not node.opening else None


def _of_list(node: Group) -> RealSet | None:
    """`x < 1 or x > 2`, `x > 1 and x < 2`, `(1,2) and (3,4)`, `x != 1, 2`."""
    items = list(node.items)
    first = items[0]
    if isinstance(first, Relation) and first.operators == ("!=",):
        items = [item if isinstance(item, Relation) else Relation((first.terms[0], item), ("!=",)) for item in items]
    parts = [real_set(item) for item in items]
    if any(part is None for part in parts):
        return None
    sets = [part for part in parts if part is not None]
    conditions = all(isinstance(item, Relation) for item in items)
    if conditions and node.joiner != "or":
        result = sets[0]
        for part in sets[1:]:
            result = intersection(result, part)
        return result
    return normal([piece for part in sets for piece in part])


def _of_operation(node: Apply) -> RealSet | None:
    if node.head == "such_that":
        condition = real_set(node.args[1])
        return condition
    if node.head not in ("union", "intersection", "difference", "subtract", "add"):
        return None
    if node.head == "add" and not (len(node.args) == 2 and isinstance(node.args[1], Apply)):
        return None
    parts = node.args
    if node.head == "add":  # \mathbb{R} - \{0\}
        second = parts[1]
        assert isinstance(second, Apply)
        if second.head != "negate":
            return None
        parts = (parts[0], second.args[0])
    left, right = real_set(parts[0]), real_set(parts[1])
    if left is None or right is None:
        return None
    if node.head == "union":
        return normal([*left, *right])
    return intersection(left, right if node.head == "intersection" else complement(right))


def _of_relation(node: Relation) -> RealSet | None:
    if node.operators == ("in",):
        return real_set(node.terms[1])
    names = _variables(node)
    if len(names) != 1:
        return None
    (name,) = names
    result: RealSet = ALL_REALS
    for left, right, operator in zip(node.terms, node.terms[1:], node.operators, strict=False):
        part = _half_line(left, right, operator, name)
        if part is None:
            return None
        result = intersection(result, part)
    return result


def _half_line(left: Node, right: Node, operator: str, name: str) -> RealSet | None:
    """The solutions of one relation that is linear in the variable."""
    if operator not in _FLIPPED or operator == "~":
        return None
    if right == Symbol(name):
        left, right, operator = right, left, _FLIPPED[operator]
    if isinstance(left, Apply) and left.head == "abs":
        return _of_absolute(left.args[0], right, operator, name)
    if left != Symbol(name):
        solved = _linear_root(zero_minus(left, right), name)
        if solved is None:
            return None
        right, rising = solved
        operator = operator if rising else _FLIPPED[operator]
    end = _end(right, operator in ("<=", ">=", "=", "!="))
    if end is None:
        return None
    if operator in ("<", "<="):
        return normal([Interval(MINUS_INFINITY, end)])
    if operator in (">", ">="):
        return normal([Interval(end, PLUS_INFINITY)])
    point = normal([Interval(end, end)])
    return point if operator == "=" else complement(point)


def _of_absolute(inner: Node, bound: Node, operator: str, name: str) -> RealSet | None:
    """`|u| < c` is -c < u < c; `|u| > c` is what is left."""
    if operator in (">", ">="):
        inside = _of_absolute(inner, bound, "<=" if operator == ">" else "<", name)
        return None if inside is None else complement(inside)
    if operator not in ("<", "<="):
        return None
    low = _half_line(Apply("negate", (bound,)), inner, operator, name)
    high = _half_line(inner, bound, operator, name)
    return None if low is None or high is None else intersection(low, high)


def _linear_root(node: Node, name: str) -> tuple[Node, bool] | None:
    """The zero of `a x + b` with rational a and b, and whether a is positive."""
    try:
        values = [rational(substitute(node, name, Number(at))) for at in (0, 1, 2, 5)]
    except UndefinedError:
        return None
    if any(value is None for value in values):
        return None
    at0, at1, at2, at5 = (Fraction(value) for value in values if value is not None)
    slope = at1 - at0
    if slope == 0 or at2 != at0 + 2 * slope or at5 != at0 + 5 * slope:
        return None
    return Number(-at0 / slope), slope > 0
