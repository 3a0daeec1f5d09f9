"""Lists with an ellipsis written out: `1, 2, …, 5` is `1, 2, 3, 4, 5`."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from grpo.rewards.math.exact import Rational, rational
from grpo.rewards.math.limits import MAX_ITEMS, UndefinedError
from grpo.rewards.math.tree import Group, Node, Number, Symbol

_ELLIPSIS = Symbol("...")


def written_out(group: Group) -> Group:
    """The group with its one ellipsis filled in, when the numbers before it have a common difference that reaches
    the number after it within `MAX_ITEMS` items; else the group as it is."""
    if group.items.count(_ELLIPSIS) != 1:
        return group
    at = group.items.index(_ELLIPSIS)
    before, after = _values(group.items[:at]), _values(group.items[at + 1 :])
    if before is None or after is None or len(before) < 2 or not after:
        return group
    step = before[-1] - before[-2]
    if step == 0 or any(right - left != step for left, right in pairwise(before)):
        return group
    missing = Fraction(after[0] - before[-1]) / step - 1
    if missing != int(missing) or not 0 <= missing <= MAX_ITEMS:
        return group
    filled = tuple(Number(before[-1] + step * (count + 1)) for count in range(int(missing)))
    return Group(group.opening, group.closing, group.items[:at] + filled + group.items[at + 1 :], group.joiner)


def _values(items: tuple[Node, ...]) -> list[Rational] | None:
    values = []
    for item in items:
        try:
            value = rational(item)
        except UndefinedError:
            return None
        if value is None:
            return None
        values.append(value)
    return values
