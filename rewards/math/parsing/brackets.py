"""Brackets of every kind, absolute values, sets, matrices; and the choice of what an operand is."""

from __future__ import annotations

from grpo.rewards.math.limits import NotMathsError
from grpo.rewards.math.parsing.build import divide
from grpo.rewards.math.parsing.functions import FunctionParser
from grpo.rewards.math.parsing.tokens import Token
from grpo.rewards.math.tables import FUNCTIONS
from grpo.rewards.math.tree import EMPTY_SET, IMAGINARY, INFINITY, PI, Apply, Group, Matrix, Node, Words

_DELIMITED = {r"\lfloor": (r"\rfloor", "floor"), r"\lceil": (r"\rceil", "ceil"), r"\|": (r"\|", "abs")}
_NAMED: dict[str, Node] = {r"\pi": PI, r"\infty": INFINITY, r"\imath": IMAGINARY, r"\emptyset": EMPTY_SET}
_CLOSING = {"(": (")", "]"), "[": ("]", ")")}


class BracketParser(FunctionParser):
    """Adds everything that is enclosed, and `atom`, which picks the rule for the next operand."""

    __slots__ = ()

    def atom(self) -> Node:
        self.enter()
        node = self.operand(self.take())
        self.depth -= 1
        return node

    def operand(self, token: Token) -> Node:
        """The operand that begins with a token."""
        if token.kind == "number":
            return self.number(token)
        if token.kind == "letter":
            return self.letter(token)
        if token.kind == "word":
            return Words(token.text)
        if token.kind == "command":
            return self.command(token.text)
        if token.kind == "mark":
            return self.bracketed(token.text)
        raise NotMathsError("an operand is missing")

    def command(self, text: str) -> Node:
        if text in _NAMED:
            return _NAMED[text]
        if text == r"\frac":
            return self.fraction()
        if text in (r"\sqrt", r"\cbrt"):
            return self.root(text)
        if text[1:] in FUNCTIONS:
            return self.function(text[1:])
        if text == r"\binom":
            return Apply("binomial", (self.argument(), self.argument()))
        if text in (r"\sum", r"\prod"):
            return self.big_operator("sum" if text == r"\sum" else "product")
        if text in _DELIMITED:
            closing, head = _DELIMITED[text]
            inner = self.sum()
            self.expect(closing)
            return Apply(head, (inner,))
        if text == r"\{":
            return self.braces()
        if text == r"\langle":
            inner = self.statement()
            self.expect(r"\rangle")
            return Group("<", ">", inner.items if isinstance(inner, Group) and not inner.opening else (inner,))
        if text.startswith(r"\begin:"):
            return self.cases() if text == r"\begin:cases" else self.matrix(text[7:])
        return self.named(text)

    def bracketed(self, opening: str) -> Node:
        if opening == "{":
            return self.group()
        if opening == "|":
            return self.absolute()
        if opening not in _CLOSING:
            raise NotMathsError(f"unexpected {opening}")
        saved, self.bars = self.bars, []
        if self.peek().text in _CLOSING[opening]:
            self.take()
            raise NotMathsError("empty brackets")
        inner = self.statement()
        self.bars = saved
        closing = self.take().text
        if closing not in _CLOSING[opening]:
            raise NotMathsError("brackets that do not match")
        items = inner.items if isinstance(inner, Group) and not inner.opening else (inner,)
        if len(items) != 2 and closing != _CLOSING[opening][0]:
            raise NotMathsError("only an interval has brackets of two kinds")
        if len(items) > 1:
            return Group(opening, closing, items)
        if (opening, closing) == ("[", "]") and isinstance(inner, Group):
            return Group("[", "]", (inner,))
        return inner

    def inside(self, _: str, closing: str) -> Node:
        saved, self.bars = self.bars, []
        inner = self.statement()
        self.bars = saved
        self.expect(closing)
        return inner

    def group(self) -> Node:
        """Braces, with TeX's `{a \\over b}`."""
        saved, self.bars = self.bars, []
        inner = self.statement()
        if self.accept(r"\over"):
            inner = divide(inner, self.statement())
        self.bars = saved
        self.expect("}")
        return inner

    def absolute(self) -> Node:
        self.bars.append("|")
        inner = self.sum()
        self.expect("|")
        self.bars.pop()
        return Apply("abs", (inner,))

    def braces(self) -> Node:
        """A finite set, or `{x | condition}`, which is the set of its condition."""
        if self.accept(r"\}"):
            return EMPTY_SET
        self.bars.append(r"\{")
        inner = self.statement()
        self.bars.pop()
        if self.accept("|") or self.accept(":"):
            condition = self.inside("", r"\}")
            return Apply("such_that", (inner, condition))
        self.expect(r"\}")
        if isinstance(inner, Group) and not inner.opening:
            return Group("{", "}", inner.items)
        return Group("{", "}", (inner,))

    def cases(self) -> Node:
        """The rows of a `cases` environment: a list of what must hold together."""
        rows = []
        while not self.peek().text.startswith(r"\end:"):
            rows.append(self.statement())
            if not self.accept("\\\\"):
                break
        self.expect(r"\end:cases")
        return Group("", "", tuple(rows), "and")

    def matrix(self, kind: str) -> Node:
        rows: list[tuple[Node, ...]] = []
        while True:
            if self.peek().text.startswith(r"\end:"):
                break
            row = [self.sum()]
            while self.accept("&"):
                row.append(self.sum())
            rows.append(tuple(row))
            if not self.accept("\\\\"):
                break
            if self.peek().text == "[" and self.peek(1).kind == "number" and self.peek(2).kind == "word":
                self.at += 4  # the extra space of `\\[4pt]`
        if not self.take().text.startswith(r"\end:") or len({len(row) for row in rows}) != 1:
            raise NotMathsError("a malformed matrix")
        return Matrix(tuple(rows), "vmatrix" if kind == "vmatrix" else "matrix")
