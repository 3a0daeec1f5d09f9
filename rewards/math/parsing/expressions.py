"""Sums, products and powers: a recursive-descent parser from tokens to the tree, bounded in depth."""

from __future__ import annotations

from fractions import Fraction

from grpo.rewards.math.limits import MAX_DEPTH, NotMathsError, TooHardError
from grpo.rewards.math.literals import MAX_DIGITS
from grpo.rewards.math.parsing.build import divide, is_literal_fraction, multiply, name_of, negative
from grpo.rewards.math.parsing.tokens import END, Token
from grpo.rewards.math.tables import MULTIPLIERS, names
from grpo.rewards.math.tree import Apply, Group, Node, Number, Symbol, Words

_ATOM_MARKS = frozenset("([|")
_ATOM_COMMANDS_STOP = names(
    r"""\cup \cap \setminus \in \notin \pm \mp \land \lor \ldots \} \rfloor \rceil \rangle \\ \pmod \bmod \mod \to
    \rightarrow \Rightarrow \implies \Leftrightarrow \mapsto \subset \subseteq \parallel \perp \circ \| \prime \because
    \therefore \middle \end:matrix \end:vmatrix \end:cases \forall \exists \not \over"""
)


class ExpressionParser:
    """Reads sums, products, powers and atoms. Lists, relations and sets are built on top of it in `statements`."""

    __slots__ = ("at", "bars", "depth", "tokens")

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars: list[str] = []

    # -- tokens
    def peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else END

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def accept(self, text: str) -> bool:
        """Consumes the next token if it is this mark or command."""
        token = self.tokens[self.at]
        if token.text == text and token.kind in ("mark", "command"):
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise NotMathsError(f"expected {text}")

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooHardError("nested too deep")

    # -- sums and products
    def sum(self) -> Node:
        self.enter()
        terms = [self.signed()]
        while True:
            token = self.peek()
            if token.kind == "mark" and token.text in "+-" and token.text:
                self.take()
                term = self.product()
                terms.append(term if token.text == "+" else negative(term))
            elif token.text in (r"\pm", r"\mp"):
                self.take()
                left = terms[0] if len(terms) == 1 else Apply("add", tuple(terms))
                terms = [Apply("pm" if token.text == r"\pm" else "mp", (left, self.product()))]
            elif token.text == r"\ldots" and terms and self.peek(1).text in ("+", "-"):
                raise NotMathsError("a sum with an ellipsis")
            else:
                break
        self.depth -= 1
        if len(terms) > 1 and any(isinstance(term, Words) for term in terms):
            raise NotMathsError("a sum of words")
        return terms[0] if len(terms) == 1 else Apply("add", tuple(terms))

    def signed(self) -> Node:
        token = self.peek()
        if token.kind == "mark" and token.text in ("+", "-"):
            self.take()
            self.enter()
            inner = self.signed()
            self.depth -= 1
            return inner if token.text == "+" else negative(inner)
        if token.text in (r"\pm", r"\mp"):
            self.take()
            return Apply("pm" if token.text == r"\pm" else "mp", (Number(0), self.product()))
        return self.product()

    def product(self) -> Node:
        literal = self.peek().kind == "number"
        left = self.power()
        while True:
            token = self.peek()
            if token.kind == "mark" and token.text in ("*", "/"):
                self.take()
                right = self.factor()
                left = multiply(left, right) if token.text == "*" else divide(left, right)
            elif self.starts_atom(token):
                left = self.juxtaposed(left, token, literal)
            elif token.text in (r"\bmod", r"\mod"):
                self.take()
                left = Apply("mod", (left, self.factor()))
            else:
                return left
            literal = False

    def juxtaposed(self, left: Node, token: Token, literal: bool) -> Node:
        """Implicit multiplication, a mixed number, a value with its unit, or a magnitude word."""
        if token.kind == "word" and token.text.lower() in MULTIPLIERS and isinstance(left, (Number, Apply)):
            self.take()
            return multiply(left, Number(10 ** MULTIPLIERS[token.text.lower()]))
        mixed = literal and isinstance(left, Number) and isinstance(left.value, int) and not left.decimal
        if token.kind == "number":
            fraction = self.plain_fraction() if mixed else None
            if fraction is not None and isinstance(left, Number):
                return Number(left.value + fraction)
            if self.tokens[self.at - 1].text not in (")", "}"):
                raise NotMathsError("two numbers side by side")
        if mixed and token.text == r"\frac":
            start = self.at
            right = self.power()
            literal_fraction = is_literal_fraction(self.tokens[start : self.at])
            if literal_fraction and isinstance(right, Apply) and right.head == "divide":
                return Apply("add", (left, right))
            if isinstance(right, Apply) and right.head in ("percent", "degree"):
                return Apply(right.head, (Apply("add", (left, *right.args)),))
            return multiply(left, right)
        right = self.power()
        if isinstance(right, Group) and isinstance(left, Symbol) and left.name.isupper():
            return right  # the point P(2, 3)
        return multiply(left, right)

    def plain_fraction(self) -> Fraction | None:
        """`1/2` after a whole number."""
        first, slash, second = self.peek(), self.peek(1), self.peek(2)
        if slash.text != "/" or second.kind != "number" or not (first.text.isdigit() and second.text.isdigit()):
            return None
        if len(first.text) + len(second.text) > MAX_DIGITS:
            return None
        if not 0 < int(first.text) < int(second.text):
            return None
        self.at += 3
        return Fraction(int(first.text), int(second.text))

    def factor(self) -> Node:
        """A power with an optional sign, after an explicit `*` or `/`."""
        token = self.peek()
        if token.kind == "mark" and token.text in ("+", "-"):
            self.take()
            self.enter()
            inner = self.factor()
            self.depth -= 1
            return inner if token.text == "+" else negative(inner)
        return self.power()

    def starts_atom(self, token: Token) -> bool:
        if token.kind in ("number", "letter"):
            return True
        if token.kind == "word":
            return token.text.lower() not in ("and", "or", "to")
        if token.kind == "command":
            return token.text not in _ATOM_COMMANDS_STOP
        if token.text == "|":
            return not self.bars
        return token.kind == "mark" and (token.text in _ATOM_MARKS or token.text == "{")

    # -- powers
    def power(self) -> Node:
        self.enter()
        base = self.postfix(self.atom())
        while self.peek().text == "^":
            self.take()
            base = self.postfix(self.raised(base))
        self.depth -= 1
        return base

    def raised(self, base: Node) -> Node:
        token = self.peek()
        if token.text == r"\circ" or (token.text == "{" and self.peek(1).text == r"\circ" and self.peek(2).text == "}"):
            self.at += 1 if token.text == r"\circ" else 3
            if self.peek().kind == "letter" and self.peek().text in "CFK" and self.peek(1).kind == "end":
                self.take()
            return Apply("degree", (base,))
        if token.text == r"\prime" or token.text == "*":
            self.take()
            return Symbol(name_of(base) + "'")
        exponent = self.script()
        if isinstance(exponent, Words):
            return base
        if isinstance(base, Words):
            return base
        return Apply("power", (base, exponent))

    def script(self) -> Node:
        """What follows `^`: a group, or one signed atom; powers associate to the right."""
        self.enter()
        if self.peek().text == "-":
            self.take()
            inner: Node = negative(self.script())
        elif self.peek().text == "+":
            self.take()
            inner = self.script()
        else:
            inner = self.atom()
            if self.peek().text == "!":
                inner = self.postfix(inner)
            if self.peek().text == "^":
                self.take()
                inner = self.raised(inner)
        self.depth -= 1
        return inner

    def postfix(self, node: Node) -> Node:
        while True:
            token = self.peek()
            if token.kind != "mark" or token.text not in ("!", "%", "'", "°"):
                return node
            if token.text == "'":
                self.take()
                node = Symbol(name_of(node) + "'")
            elif token.text == "°":
                self.take()
                node = Apply("degree", (node,))
            elif token.text == "!":
                self.take()
                double = self.accept("!")
                node = Apply("double_factorial" if double else "factorial", (node,))
            else:
                self.take()
                node = Apply("percent", (node,))

    def atom(self) -> Node:
        raise NotImplementedError
