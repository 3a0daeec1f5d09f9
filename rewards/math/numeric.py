"""Floating-point values of trees at a point, to any precision.

The mpmath context is our own: the global one belongs to the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from threading import get_ident
from typing import Any

from mpmath.ctx_mp import MPContext  # type: ignore[import-untyped]

from grpo.rewards.math.exact import rational, size_of, substitute
from grpo.rewards.math.limits import MAX_EXPONENT, MAX_STEPS, TooHardError, UndefinedError
from grpo.rewards.math.tables import names
from grpo.rewards.math.tree import Apply, Node, Number, Symbol, contains

Value = Any
"""An mpmath real or complex number."""
_LARGEST_ARGUMENT = 100_000
"""Of exponentials, gamma and trigonometric functions."""
_TRIGONOMETRIC = names("sin cos tan cot sec csc")
_CALLS = {
    name: name.replace("arc", "a")
    for name in _TRIGONOMETRIC
    | names("arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth sech csch arcsinh arccosh arctanh")
}


@lru_cache(maxsize=64)
def _context(precision: int, thread: int) -> Any:
    """A context of one precision for one thread; some functions of mpmath raise the precision while they run.

    Making one costs as much as a short evaluation, so they are kept.
    """
    context = MPContext()
    context.prec = precision
    return context


class Evaluator:
    """Evaluates trees at one precision. With `real` true, leaving the reals on the way is `UndefinedError`."""

    def __init__(self, precision: int, *, real: bool = False) -> None:
        self.mp = _context(-(-precision // 64) * 64, get_ident())
        self.real = real
        self.steps = 0

    def __call__(self, node: Node, point: Mapping[str, Value]) -> Value:
        """The value of a tree, variables taken from the point.

        Raises:
            TooHardError: too many steps or too large a magnitude.
            UndefinedError: no value here, or no rule for an operation.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooHardError("too many steps")
        if isinstance(node, Number):
            return self.of_rational(node.value)
        if isinstance(node, Symbol):
            return self._symbol(node.name, point)
        if not isinstance(node, Apply):
            raise UndefinedError("no number")
        if node.head in ("sum", "product"):
            return self._loop(node, point)
        if node.head in _TRIGONOMETRIC and contains(node, "degree"):
            node = Apply(node.head, (_in_radians(node.args[0]),))
        values = [self(child, point) for child in node.args]
        if node.head == "power":
            return self._power(values[0], values[1], node.args[1])
        operation = _RULES.get(node.head)
        if operation is not None:
            return operation(self, values)
        if node.head in _CALLS:
            return self._call(node.head, values[0])
        raise UndefinedError(f"no rule for {node.head}")

    def of_rational(self, value: int | Fraction) -> Value:
        """A rational number, rounded."""
        if isinstance(value, int):
            return self.mp.mpf(value)
        return self.mp.mpf(value.numerator) / value.denominator

    def _symbol(self, name: str, point: Mapping[str, Value]) -> Value:
        if name in point:
            return point[name]
        if name == "pi":
            return +self.mp.pi
        if name == "e":
            return +self.mp.e
        if name == "i":
            return self.mp.mpc(0, 1)
        raise UndefinedError(f"no value for {name}")

    def size(self, value: Value) -> int:
        """Binary exponent of the magnitude."""
        return int(self.mp.mag(value)) if value else 0

    def is_real(self, value: Value) -> bool:
        return not isinstance(value, self.mp.mpc) or abs(value.imag) <= self.mp.ldexp(1, -self.mp.prec // 2) * abs(
            value
        )

    def simplified(self, value: Value) -> Value:
        return value.real if isinstance(value, self.mp.mpc) and self.is_real(value) else value

    def divide(self, left: Value, right: Value) -> Value:
        if right == 0 or self.size(right) < -self.mp.prec * 3 // 4:
            raise UndefinedError("division by zero")
        return left / right

    def _power(self, base: Value, exponent: Value, exponent_node: Node) -> Value:
        base, exponent = self.simplified(base), self.simplified(exponent)
        if base == 0:
            if self.is_real(exponent) and exponent.real > 0:
                return base
            if exponent == 0:
                return self.mp.mpf(1)
            raise UndefinedError("a power of zero")
        if self.size(exponent) > 64 or abs(exponent) * (abs(self.size(base)) + 2) > MAX_EXPONENT:
            raise TooHardError("a power too large")
        if isinstance(exponent, self.mp.mpf) and exponent == int(exponent):
            return base ** int(exponent)
        if isinstance(base, self.mp.mpf) and base < 0:
            exact = rational(exponent_node)
            if isinstance(exact, Fraction) and exact.denominator % 2 == 1:
                size = (-base) ** exponent
                return size if exact.numerator % 2 == 0 else -size
            if self.real:
                raise UndefinedError("a root of a negative number")
        return self.mp.power(base, exponent)

    def root(self, base: Value, degree: Value) -> Value:
        base = self.simplified(base)
        if not isinstance(degree, self.mp.mpf) or degree != int(degree) or not 1 <= degree <= 10_000:
            raise UndefinedError("a root of this degree")
        if isinstance(base, self.mp.mpf) and base < 0:
            if int(degree) % 2:
                return -self.mp.root(-base, int(degree))
            if self.real:
                raise UndefinedError("a root of a negative number")
        return self.mp.root(base, int(degree))

    def logarithm(self, value: Value) -> Value:
        value = self.simplified(value)
        if value == 0 or self.size(value) < -self.mp.prec * 3 // 4:
            raise UndefinedError("log of zero")
        if self.real and (not isinstance(value, self.mp.mpf) or value < 0):
            raise UndefinedError("log of a negative number")
        return self.mp.log(value)

    def _call(self, head: str, value: Value) -> Value:
        if abs(value) > _LARGEST_ARGUMENT:
            raise TooHardError("too large an argument")
        try:
            result = getattr(self.mp, _CALLS[head])(value)
        except (ZeroDivisionError, ValueError) as error:
            raise UndefinedError(f"{head} has a pole here") from error
        if self.mp.isinf(result) or self.mp.isnan(result) or self.size(result) > self.mp.prec // 2:
            raise UndefinedError(f"{head} has a pole here")
        if self.real and not self.is_real(result):
            raise UndefinedError(f"{head} leaves the reals")
        return self.simplified(result)

    def exponential(self, value: Value) -> Value:
        if abs(value) > _LARGEST_ARGUMENT:
            raise TooHardError("too large an argument")
        return self.mp.exp(value)

    def gamma(self, value: Value) -> Value:
        """Γ(value + 1), the factorial."""
        value = self.simplified(value)
        if abs(value) > 3_000:
            raise TooHardError("too large an argument")
        if isinstance(value, self.mp.mpf) and value < 0 and value == int(value):
            raise UndefinedError("factorial of a negative number")
        return self.mp.factorial(value)

    def stepped(self, value: Value, function: Callable[[Value], Value]) -> Value:
        """Floor or ceiling; a value within rounding of a whole number is that number."""
        value = self.simplified(value)
        if not isinstance(value, self.mp.mpf):
            raise UndefinedError("floor of a complex number")
        nearest = self.mp.nint(value)
        return nearest if abs(value - nearest) < self.mp.ldexp(1, -self.mp.prec // 2) else function(value)

    def _loop(self, node: Apply, point: Mapping[str, Value]) -> Value:
        index, low_node, high_node, body = node.args
        low, high = self(low_node, point), self(high_node, point)
        if not isinstance(index, Symbol) or not (self.mp.isint(low) and self.mp.isint(high)):
            raise UndefinedError("bounds of a sum are whole numbers")
        if (high - low + 1) * size_of(body) > MAX_STEPS:
            raise TooHardError("a sum of too many terms")
        total = self.mp.mpf(0 if node.head == "sum" else 1)
        for number in range(int(low), int(high) + 1):
            term = self(substitute(body, index.name, Number(number)), point)
            total = total + term if node.head == "sum" else total * term
        return total


def _in_radians(node: Node) -> Node:
    if isinstance(node, Apply):
        if node.head == "degree":
            return Apply("multiply", (node.args[0], Apply("divide", (Symbol("pi"), Number(180)))))
        return Apply(node.head, tuple(_in_radians(child) for child in node.args))
    return node


def _reals(evaluator: Evaluator, values: list[Value]) -> list[Value]:
    values = [evaluator.simplified(value) for value in values]
    if not all(isinstance(value, evaluator.mp.mpf) for value in values):
        raise UndefinedError("complex numbers have no order")
    return values


def _binomial(evaluator: Evaluator, values: list[Value]) -> Value:
    if max(abs(value) for value in values) > 3_000:
        raise TooHardError("too large an argument")
    return evaluator.mp.binomial(values[0], values[1])


_RULES: dict[str, Callable[[Evaluator, list[Value]], Value]] = {
    "add": lambda self, v: sum(v[1:], v[0]),
    "subtract": lambda self, v: v[0] - v[1],
    "multiply": lambda self, v: v[0] * v[1],
    "divide": lambda self, v: self.divide(v[0], v[1]),
    "negate": lambda self, v: -v[0],
    "sqrt": lambda self, v: self.root(v[0], self.mp.mpf(2)),
    "root": lambda self, v: self.root(v[0], v[1]),
    "abs": lambda self, v: abs(v[0]),
    "percent": lambda self, v: v[0] / 100,
    "degree": lambda self, v: v[0],
    "exp": lambda self, v: self.exponential(v[0]),
    "log": lambda self, v: (
        self.logarithm(v[0]) if len(v) == 1 else self.divide(self.logarithm(v[0]), self.logarithm(v[1]))
    ),
    "log10": lambda self, v: self.logarithm(v[0]) / self.mp.log(10),
    "factorial": lambda self, v: self.gamma(v[0]),
    "binomial": _binomial,
    "floor": lambda self, v: self.stepped(v[0], self.mp.floor),
    "ceil": lambda self, v: self.stepped(v[0], self.mp.ceil),
    "max": lambda self, v: max(_reals(self, v)),
    "min": lambda self, v: min(_reals(self, v)),
}
