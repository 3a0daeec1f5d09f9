"""Fractions, roots, functions, sums and products over an index."""

from __future__ import annotations

from grpo.rewards.math.limits import NotMathsError
from grpo.rewards.math.parsing.build import divide, multiply, name_of
from grpo.rewards.math.parsing.operands import OperandParser
from grpo.rewards.math.parsing.tokens import Token
from grpo.rewards.math.tables import FUNCTION_NAMES, FUNCTIONS, names
from grpo.rewards.math.tree import IMAGINARY, Apply, Group, Node, Number, Symbol, Words

_INVERSES = names("sin cos tan cot sec csc sinh cosh tanh")


class FunctionParser(OperandParser):
    """Adds everything that takes arguments."""

    __slots__ = ()

    def argument(self) -> Node:
        """A braced group, or the next digit or atom: `\\frac12` has the arguments 1 and 2."""
        token = self.peek()
        if token.kind == "number" and len(token.text) > 1 and token.text.isdigit():
            self.tokens[self.at] = Token("number", token.text[1:])
            return Number(int(token.text[0]))
        return self.atom()

    def fraction(self) -> Node:
        start = self.at
        top, bottom = self.argument(), self.argument()
        if isinstance(top, Words) and isinstance(bottom, Words):
            return Words(f"{top.text}/{bottom.text}")
        del start
        return divide(top, bottom)

    def root(self, text: str) -> Node:
        index: Node | None = Number(3) if text == r"\cbrt" else None
        if text == r"\sqrt" and self.accept("["):
            index = self.sum()
            self.expect("]")
        radicand = self.atom()
        if self.peek().text == "!":
            radicand = self.postfix(radicand)
        return Apply("sqrt", (radicand,)) if index is None else Apply("root", (radicand, index))

    def function(self, name: str) -> Node:
        name = FUNCTION_NAMES.get(name, name)
        if name in ("gcd", "lcm", "max", "min"):
            return self.of_several(name)
        if name in ("abs", "floor", "ceil", "sqrt", "det"):
            return Apply(name, (self.atom(),))
        base: Node | None = None
        exponent: Node | None = None
        while self.peek().text in ("_", "^"):
            if self.take().text == "_":
                base = self.log_base()
            else:
                exponent = self.script()
        if exponent == Number(-1) and name in _INVERSES:
            name, exponent = "arc" + name, None
        value = self.applied(name, base)
        return value if exponent is None else Apply("power", (value, exponent))

    def applied(self, name: str, base: Node | None) -> Node:
        argument = self.function_argument()
        if name in ("log", "ln"):
            return Apply("log", (argument,) if base is None else (argument, base))
        if name == "cis":
            return Apply("add", (Apply("cos", (argument,)), Apply("multiply", (Apply("sin", (argument,)), IMAGINARY))))
        return Apply(name, (argument,))

    def log_base(self) -> Node:
        """`\\log_28` is the logarithm of 8 to base 2 unless an argument follows the digits, as in `\\log_10 5`."""
        token = self.peek()
        if token.kind == "number" and len(token.text) > 1 and not self.starts_atom(self.peek(1)):
            return self.argument()
        return self.atom()

    def function_argument(self) -> Node:
        """A bracketed argument, or the juxtaposed factors up to the next operator or function."""
        if self.peek().text in ("(", "{", "["):
            return self.power() if self.peek().text == "{" else self.atom()
        argument = self.factor()
        while self.starts_atom(self.peek()) and self.peek().text != "(":
            token = self.peek()
            if token.kind == "word" or token.text[1:] in FUNCTIONS:
                break
            argument = multiply(argument, self.power())
        return argument

    def of_several(self, name: str) -> Node:
        inner = self.atom()
        return Apply(name, inner.items if isinstance(inner, Group) else (inner,))

    def big_operator(self, head: str) -> Node:
        low: Node | None = None
        high: Node | None = None
        index: Symbol | None = None
        while self.peek().text in ("_", "^"):
            if self.take().text == "^":
                high = self.script()
                continue
            self.expect("{")
            index = Symbol(name_of(self.atom()) if self.peek().text != "i" else "i")
            self.expect("=")
            low = self.sum()
            self.expect("}")
        if low is None or high is None or index is None:
            raise NotMathsError("a sum without bounds")
        return Apply(head, (index, low, high, self.product()))
