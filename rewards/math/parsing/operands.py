"""Numbers and names."""

from __future__ import annotations

from fractions import Fraction

from grpo.rewards.math.limits import NotMathsError, TooHardError
from grpo.rewards.math.literals import MAX_DIGITS
from grpo.rewards.math.parsing.expressions import ExpressionParser
from grpo.rewards.math.parsing.tokens import Token
from grpo.rewards.math.tables import ACCENTS, LETTER_SETS, NUMBER_WORDS, names
from grpo.rewards.math.tree import EULER, IMAGINARY, Node, Number, Symbol

_NAME_PREFIXES = frozenset({r"\angle", r"\triangle", r"\measuredangle"})
_CALLED = frozenset("fgh")
_GREEK = names(
    r"""\alpha \beta \gamma \delta \epsilon \zeta \eta \theta \iota \kappa \lambda \mu \nu \xi \rho \sigma \tau
    \upsilon \phi \chi \psi \omega \Gamma \Delta \Theta \Lambda \Xi \Sigma \Phi \Psi \Omega \ell \square \star \hbar
    \aleph \jmath"""
)


class OperandParser(ExpressionParser):
    """Adds literals in every notation, variables, subscripts and named sets."""

    __slots__ = ()

    def statement(self) -> Node:
        raise NotImplementedError

    def number(self, token: Token) -> Node:
        text = token.text
        if len(text) > MAX_DIGITS:
            raise TooHardError("too many digits")
        if self.peek().text == "_":
            self.take()
            return self.in_base(text)
        mantissa, exponent = scientific(text)
        if exponent is not None:
            return Number(Fraction(mantissa) * Fraction(10) ** exponent, "." in mantissa or exponent < 0)
        whole, point, digits = text.partition(".")
        repeated = self.repeating(point)
        if repeated is not None:
            if len(repeated) > MAX_DIGITS:
                raise TooHardError("too many digits")
            start = Fraction(int((whole or "0") + digits), 10 ** len(digits))
            period = Fraction(int(repeated), (10 ** len(repeated) - 1) * 10 ** len(digits))
            return Number(start + period)
        if point and self.peek().text == r"\ldots":
            self.take()
            return Number(recurring(whole, digits), recurring_period(digits) == 0)
        if not point:
            return Number(int(text))
        return Number(Fraction(int((whole or "0") + digits), 10 ** len(digits)), True)

    def repeating(self, point: str) -> str | None:
        """The repeating block `\\overline{36}`, `\\bar{3}` or `(3)` after the digits of a decimal."""
        start = self.at
        if not point and not self.accept("."):
            return None
        if self.peek().text in (r"\overline", r"\bar", r"\dot"):
            self.take()
            braced = self.accept("{")
            token = self.take()
            if token.kind == "number" and token.text.isdigit() and (not braced or self.accept("}")):
                return token.text
        elif self.peek().text == "(" and self.peek(1).text.isdigit() and self.peek(2).text == ")":
            digits = self.peek(1).text
            self.at += 3
            return digits
        self.at = start
        return None

    def in_base(self, digits: str) -> Node:
        """`1011_2`, `1011_{2}`, `1011_{(2)}`, `1011_{two}`."""
        base = self.subscript()
        value = int(base) if base.isdigit() and len(base) <= 2 else NUMBER_WORDS.get(base, 0)
        return based_number(digits, value)

    def subscript(self) -> str:
        """The text of a subscript, without brackets."""
        if not self.accept("{"):
            return self.take().text
        parts: list[str] = []
        depth = 1
        while True:
            token = self.take()
            if token.kind == "end":
                raise NotMathsError("unclosed subscript")
            depth += (token.text == "{") - (token.text == "}")
            if depth == 0:
                return "".join(parts)
            if token.text not in ("(", ")", "{", "}"):
                parts.append(token.text)

    def letter(self, token: Token) -> Node:
        name = token.text
        if self.peek().text == "_":
            self.take()
            return Symbol(f"{name}_{self.subscript()}")
        if name == "i":
            return IMAGINARY
        if name == "e":
            return EULER
        return Symbol(name + self.call_arguments() if name in _CALLED else name)

    def call_arguments(self) -> str:
        """`(x)` or `(2)` after f, g or h, which then names a value; anything longer is a product."""
        brackets = [self.peek(ahead) for ahead in range(3)]
        if brackets[0].text != "(" or brackets[2].text != ")" or brackets[1].kind not in ("letter", "number"):
            return ""
        self.at += 3
        return f"({brackets[1].text})"

    def named(self, text: str) -> Node:
        if text in LETTER_SETS:
            return Symbol("set " + self.subscript())
        if text in _NAME_PREFIXES:
            letters = []
            while self.peek().kind == "letter":
                letters.append(self.take().text)
            return Symbol(text + "".join(letters))
        if text in ACCENTS or text == r"\overline":
            return Symbol(self.subscript())
        if text == r"\ldots":
            return Symbol("...")
        if text in _GREEK:
            name = text[1:]
            if self.peek().text == "_":
                self.take()
                name = f"{name}_{self.subscript()}"
            return Symbol(name)
        raise NotMathsError(f"command {text}")


def scientific(text: str) -> tuple[str, int | None]:
    """Mantissa and exponent of `6.7e-5`; the exponent is None without an `e`."""
    mantissa, mark, exponent = text.replace("E", "e").partition("e")
    if not mark:
        return text, None
    if len(exponent) > 5 or abs(int(exponent)) > MAX_DIGITS:
        raise TooHardError("too large an exponent")
    return mantissa, int(exponent)


def based_number(digits: str, base: int) -> Number:
    """The value of digits in a base from 2 to 36."""
    if not 2 <= base <= 36 or len(digits) > MAX_DIGITS // 2:
        raise NotMathsError("no such base")
    whole, _, fraction = digits.partition(".")
    try:
        value = int((whole or "0") + fraction, base)
    except ValueError as error:
        raise NotMathsError("a digit outside its base") from error
    return Number(Fraction(value, base ** len(fraction)) if fraction else value)


def recurring_period(digits: str) -> int:
    """Length of the block that a decimal followed by an ellipsis visibly repeats, or 0."""
    for size in range(1, len(digits) // 2 + 1):
        seen = digits[-size:]
        repeats = 1
        while digits[: len(digits) - repeats * size].endswith(seen):
            repeats += 1
        if repeats >= (3 if size == 1 else 2):
            return size
    return 0


def recurring(whole: str, digits: str) -> Fraction:
    """`0.333…` is 1/3; an ellipsis after digits that do not repeat leaves the decimal as written."""
    start = Fraction(int((whole or "0") + digits), 10 ** len(digits))
    period = recurring_period(digits)
    if period == 0:
        return start
    return start + Fraction(int(digits[-period:]), (10**period - 1) * 10 ** len(digits))
