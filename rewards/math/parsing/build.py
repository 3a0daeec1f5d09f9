"""How nodes are put together: signs stay in literals, units vanish."""

from __future__ import annotations

from grpo.rewards.math.limits import NotMathsError
from grpo.rewards.math.parsing.tokens import Token
from grpo.rewards.math.tables import NOT_MEASURES
from grpo.rewards.math.tree import Apply, Node, Number, Symbol, Words


def negative(node: Node) -> Node:
    """The tree with the opposite sign; literals keep being literals."""
    if isinstance(node, Number):
        return Number(-node.value, node.decimal)
    if isinstance(node, Words):
        raise NotMathsError("the negative of a word")
    return Apply("negate", (node,))


def multiply(left: Node, right: Node) -> Node:
    """A product. Words after a value are its unit and are dropped; words before a value make it text."""
    if isinstance(right, Words):
        if isinstance(left, Words):
            return Words(f"{left.text} {right.text}")
        if right.text.lower() in NOT_MEASURES:
            raise NotMathsError("words that are no unit")
        if right.text.lower() in ("percent", "percents", "pct"):
            return Apply("percent", (left,))
        if right.text.lower() in ("degrees", "degree", "deg"):
            return Apply("degree", (left,))
        return left
    if isinstance(left, Words):
        raise NotMathsError("words before a value")
    return Apply("multiply", (left, right))


def divide(left: Node, right: Node) -> Node:
    """A quotient; a unit in the denominator is dropped."""
    if isinstance(right, Words):
        return left
    if isinstance(left, Words):
        raise NotMathsError("words before a value")
    return Apply("divide", (left, right))


def is_literal_fraction(tokens: list[Token]) -> bool:
    """Whether the tokens are `\\frac` with two whole numbers."""
    return all(
        (token.kind == "number" and token.text.isdigit()) or token.text in (r"\frac", "{", "}") for token in tokens
    )


def name_of(node: Node) -> str:
    """A variable's name, for primes and subscripts."""
    if isinstance(node, Symbol):
        return node.name
    raise NotMathsError("a prime or subscript on something that is no name")
