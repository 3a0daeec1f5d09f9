"""How precisely two algebraic constants must be known to tell whether they are equal.

For an expression E over the integers with +, −, ×, / and roots, the bound of Burnikel, Funke, Mehlhorn, Schirra and
Schmitt ("A separation bound for real algebraic expressions", ESA 2001) is: E = 0 or |E| ≥ 1 / (u^(D−1) · l), where
u and l bound numerator and denominator and D is the product of the degrees of the roots. So a numeric evaluation to
enough bits is a proof, and no symbolic simplification is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from grpo.rewards.math.tree import IMAGINARY, Apply, Node, Number, children


@dataclass(frozen=True, slots=True)
class Bound:
    """log2 of the bounds on the conjugates of numerator (`upper`) and denominator (`lower`); `degree` is D."""

    upper: float
    lower: float
    degree: int

    @property
    def bits(self) -> float:
        """E is zero if |E| < 2^-bits."""
        return (self.degree - 1) * max(self.upper, 0.0) + max(self.lower, 0.0)


_MAX_DEGREE = 1 << 20


def bound_of(node: Node) -> Bound | None:
    """The bound, or None when the tree is not algebraic by construction (variables, π, logarithms, …)."""
    if isinstance(node, Number):
        value = Fraction(node.value)
        return Bound(float(value.numerator.bit_length()), float((value.denominator - 1).bit_length()), 1)
    if node == IMAGINARY:
        return Bound(0.0, 0.0, 2)
    if not isinstance(node, Apply):
        return None
    parts = [bound_of(child) for child in node.args]
    if any(part is None or part.degree > _MAX_DEGREE for part in parts):
        return None
    bounds = [part for part in parts if part is not None]
    if node.head in ("negate", "abs", "degree"):
        return bounds[0]
    if node.head == "percent":
        return Bound(bounds[0].upper, bounds[0].lower + 7, bounds[0].degree)
    if node.head in ("add", "subtract"):
        total = bounds[0]
        for part in bounds[1:]:
            upper = max(total.upper + part.lower, part.upper + total.lower) + 1
            total = Bound(upper, total.lower + part.lower, total.degree * part.degree)
        return total
    if node.head == "multiply":
        left, right = bounds
        return Bound(left.upper + right.upper, left.lower + right.lower, left.degree * right.degree)
    if node.head == "divide":
        left, right = bounds
        return Bound(left.upper + right.lower, left.lower + right.upper, left.degree * right.degree)
    return _of_power(node, bounds[0])


def _of_power(node: Apply, base: Bound) -> Bound | None:
    if node.head == "sqrt":
        return _of_root(base, 2)
    exponent = node.args[1] if len(node.args) > 1 else None
    if node.head == "root" and isinstance(exponent, Number) and isinstance(exponent.value, int):
        return _of_root(base, exponent.value)
    if node.head != "power" or exponent is None:
        return None
    value = _small_rational(exponent)
    if value is None:
        return None
    result = base if value.denominator == 1 else _of_root(base, value.denominator)
    if result is None:
        return None
    count = abs(value.numerator)
    upper, lower = result.upper * count, result.lower * count
    return Bound(lower, upper, result.degree) if value < 0 else Bound(upper, lower, result.degree)


def _small_rational(node: Node) -> Fraction | None:
    """The value of an exponent such as `3`, `-2` or `1/3`."""
    if isinstance(node, Number):
        value = Fraction(node.value)
    elif isinstance(node, Apply) and node.head == "divide" and all(isinstance(part, Number) for part in node.args):
        top, bottom = (Fraction(part.value) for part in node.args if isinstance(part, Number))
        if bottom == 0:
            return None
        value = top / bottom
    elif isinstance(node, Apply) and node.head == "negate":
        inner = _small_rational(node.args[0])
        return None if inner is None else -inner
    else:
        return None
    return value if abs(value.numerator) <= 10**6 and value.denominator <= 64 else None


def _of_root(base: Bound, degree: int) -> Bound | None:
    if not 1 <= degree <= 64:
        return None
    if base.upper >= base.lower:
        return Bound((base.upper + (degree - 1) * base.lower) / degree, base.lower, base.degree * degree)
    return Bound(base.upper, (base.lower + (degree - 1) * base.upper) / degree, base.degree * degree)


def height(node: Node) -> float:
    """Bits in the literals of a tree, exponents multiplying: how small a difference it can spell."""
    if isinstance(node, Number):
        value = Fraction(node.value)
        return float(value.numerator.bit_length() + value.denominator.bit_length() - 1)
    if isinstance(node, Apply) and node.head == "power":
        exponent = _small_rational(node.args[1])
        factor = max(1.0, float(abs(exponent))) if exponent is not None else 1.0
        return height(node.args[0]) * min(factor, 1e6) + height(node.args[1])
    return sum(height(child) for child in children(node))
