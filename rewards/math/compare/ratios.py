"""Ratios, and times of day, which look the same."""

from __future__ import annotations

from grpo.rewards.math.compare.values import same_value
from grpo.rewards.math.tree import Apply, Node, Number


def is_ratio(node: Node) -> bool:
    """Whether it was written with a colon."""
    return isinstance(node, Apply) and node.head in ("ratio", "time")


def same_ratio(gold: Node, answer: Node) -> bool:
    """`3:2` is `6:4` and 3/2; more than two parts are compared part by part to the first."""
    left, right = _parts(gold), _parts(answer)
    if len(left) != len(right):
        return False
    if all(same_value(a, b)[0] for a, b in zip(left, right, strict=True)):
        return True
    times = [node for node in (gold, answer) if isinstance(node, Apply) and node.head == "time"]
    if len(times) == 2 or any(Number(0) in parts for parts in (left, right)):
        return False
    return all(
        same_value(Apply("divide", (a, left[0])), Apply("divide", (b, right[0])))[0]
        for a, b in zip(left[1:], right[1:], strict=True)
    )


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Apply) and node.head in ("ratio", "time"):
        return node.args
    if isinstance(node, Apply) and node.head == "divide":
        return node.args
    return (node, Number(1))
