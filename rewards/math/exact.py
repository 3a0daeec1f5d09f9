"""Exact rational values of trees without variables or irrational parts; every size is estimated before the work."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from grpo.rewards.math.limits import MAX_BITS, MAX_STEPS, TooHardError, UndefinedError
from grpo.rewards.math.tree import Apply, Node, Number, Symbol, children

Rational = int | Fraction


def rational(node: Node) -> Rational | None:
    """The value if the tree is rational by construction, else None.

    Raises:
        TooHardError: the value or an intermediate one would need more than `MAX_BITS` bits.
        UndefinedError: a division by zero, a factorial of a negative number.
    """
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Apply):
        return None
    if node.head in ("sum", "product"):
        return _loop(node)
    values: list[Rational] = []
    for child in node.args:
        value = rational(child)
        if value is None:
            return None
        values.append(value)
    operation = _OPERATIONS.get(node.head)
    return None if operation is None else operation(values)


def bits(value: Rational) -> int:
    """Bits of the numerator and denominator together."""
    if isinstance(value, int):
        return value.bit_length()
    return value.numerator.bit_length() + value.denominator.bit_length()


def _bounded(value: Rational) -> Rational:
    if bits(value) > MAX_BITS:
        raise TooHardError("too many bits")
    return value


def _add(values: list[Rational]) -> Rational:
    total: Rational = 0
    for value in values:
        total = _bounded(total + value)
    return total


def _multiply(values: list[Rational]) -> Rational:
    return _bounded(values[0] * values[1])


def divide_exact(left: Rational, right: Rational) -> Rational:
    """A quotient, an `int` where it is whole."""
    if right == 0:
        raise UndefinedError("division by zero")
    quotient = Fraction(left) / right
    return quotient.numerator if quotient.denominator == 1 else quotient


def power_exact(base: Rational, exponent: Rational) -> Rational | None:
    """A power, None where it is irrational. Odd roots of negative numbers are real."""
    if isinstance(exponent, Fraction) and exponent.denominator != 1:
        root = root_exact(base, exponent.denominator)
        return None if root is None else power_exact(root, exponent.numerator)
    count = int(exponent)
    if base == 0 and count < 0:
        raise UndefinedError("division by zero")
    if base in (0, 1):
        return 1 if count == 0 else base
    if base == -1:
        return 1 if count % 2 == 0 else -1
    if abs(count) * bits(base) > MAX_BITS:
        raise TooHardError("a power with too many bits")
    return base**count if count >= 0 else divide_exact(1, base ** (-count))


def root_exact(value: Rational, degree: Rational) -> Rational | None:
    """The real root of that degree where it is rational, else None."""
    if not isinstance(degree, int) or degree < 1 or degree > 64:
        return None
    if value < 0:
        root = root_exact(-value, degree) if degree % 2 else None
        return None if root is None else -root
    fraction = Fraction(value)
    top, bottom = _integer_root(fraction.numerator, degree), _integer_root(fraction.denominator, degree)
    return None if top is None or bottom is None else divide_exact(top, bottom)


def _integer_root(value: int, degree: int) -> int | None:
    if degree == 2:
        root = math.isqrt(value)
        return root if root * root == value else None
    if value.bit_length() > 2_000:
        return None
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high) // 2
        if middle**degree < value:
            low = middle + 1
        else:
            high = middle
    return low if low**degree == value else None


def _whole(value: Rational, most: int) -> int:
    if not isinstance(value, int) and value.denominator != 1:
        raise UndefinedError("a whole number is needed")
    if value < 0:
        raise UndefinedError("a number that is not negative is needed")
    if value > most:
        raise TooHardError("too large an argument")
    return int(value)


def _factorial(values: list[Rational]) -> Rational:
    return math.factorial(_whole(values[0], 3_000))


def _double_factorial(values: list[Rational]) -> Rational:
    number = _whole(values[0], 3_000)
    return math.prod(range(number, 0, -2))


def _binomial(values: list[Rational]) -> Rational:
    count, chosen = _whole(values[0], 10**9), _whole(values[1], 10**9)
    if min(chosen, max(count - chosen, 0)) * count.bit_length() > MAX_BITS:
        raise TooHardError("a binomial with too many bits")
    return math.comb(count, chosen)


def _modulo(values: list[Rational]) -> Rational:
    if values[1] == 0:
        raise UndefinedError("division by zero")
    return values[0] % values[1]


def _gcd(values: list[Rational]) -> Rational:
    return math.gcd(*(_whole(value if value >= 0 else -value, 1 << MAX_BITS // 8) for value in values))


def _lcm(values: list[Rational]) -> Rational:
    if sum(bits(value) for value in values) > MAX_BITS:
        raise TooHardError("too many bits")
    return math.lcm(*(_whole(value if value >= 0 else -value, 1 << MAX_BITS // 8) for value in values))


def _log10(values: list[Rational]) -> Rational | None:
    return _logarithm([values[0], 10])


def _logarithm(values: list[Rational]) -> Rational | None:
    """`log_b a` where `a` is a whole power of `b`; None otherwise, and for the natural logarithm except of 1."""
    if values[0] == 1:
        return 0
    if len(values) == 1 or values[0] <= 0 or values[1] <= 0 or values[1] == 1 or bits(values[0]) > 4_000:
        return None
    size = round((math.log2(Fraction(values[0]).numerator) - math.log2(Fraction(values[0]).denominator))
                 / (math.log2(Fraction(values[1]).numerator) - math.log2(Fraction(values[1]).denominator)))  # fmt: skip
    return size if power_exact(values[1], size) == values[0] else None


def _loop(node: Apply) -> Rational | None:
    index, low_node, high_node, body = node.args
    low, high = rational(low_node), rational(high_node)
    if low is None or high is None or not isinstance(index, Symbol):
        return None
    if Fraction(low).denominator != 1 or Fraction(high).denominator != 1:
        raise UndefinedError("bounds of a sum are whole numbers")
    if (high - low + 1) * size_of(body) > MAX_STEPS:
        raise TooHardError("a sum of too many terms")
    total: Rational = 0 if node.head == "sum" else 1
    for number in range(int(low), int(high) + 1):
        term = rational(substitute(body, index.name, Number(number)))
        if term is None:
            return None
        total = _bounded(total + term if node.head == "sum" else total * term)
    return total


def size_of(node: Node) -> int:
    """Nodes visited when a tree is evaluated once, loops counted by one pass."""
    return 1 + sum(size_of(child) for child in children(node))


def substitute(node: Node, name: str, value: Node) -> Node:
    """The tree with a variable replaced; only operations are looked into."""
    if isinstance(node, Symbol):
        return value if node.name == name else node
    if isinstance(node, Apply):
        return Apply(node.head, tuple(substitute(child, name, value) for child in node.args))
    return node


_OPERATIONS: dict[str, Callable[[list[Rational]], Rational | None]] = {
    "add": _add,
    "subtract": lambda values: _bounded(values[0] - values[1]),
    "multiply": _multiply,
    "divide": lambda values: _bounded(divide_exact(values[0], values[1])),
    "negate": lambda values: -values[0],
    "power": lambda values: power_exact(values[0], values[1]),
    "sqrt": lambda values: root_exact(values[0], 2),
    "root": lambda values: root_exact(values[0], values[1]),
    "abs": lambda values: values[0] if values[0] >= 0 else -values[0],
    "floor": lambda values: math.floor(values[0]),
    "ceil": lambda values: math.ceil(values[0]),
    "percent": lambda values: divide_exact(values[0], 100),
    "degree": lambda values: values[0],
    "factorial": _factorial,
    "double_factorial": _double_factorial,
    "binomial": _binomial,
    "mod": _modulo,
    "max": max,
    "min": min,
    "gcd": _gcd,
    "lcm": _lcm,
    "log": _logarithm,
    "log10": _log10,
}
