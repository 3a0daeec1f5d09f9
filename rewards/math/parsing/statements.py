"""Whole answers: lists, relations, unions, ratios; and `parse`, the entry to the parser."""

from __future__ import annotations

import re
from functools import lru_cache

from grpo.rewards.math.limits import MAX_ANSWER, MAX_TREE_DEPTH, NotMathsError, TooHardError
from grpo.rewards.math.normalise import join_groups
from grpo.rewards.math.parsing.brackets import BracketParser
from grpo.rewards.math.parsing.operands import based_number
from grpo.rewards.math.parsing.tokens import Token, tokenise
from grpo.rewards.math.tables import LEADING_WORDS
from grpo.rewards.math.tree import Apply, Group, Node, Relation, depth_exceeds

_RELATIONS = {
    "=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!=", "~": "~", r"\in": "in", r"\to": "=",
    r"\rightarrow": "=", r"\Rightarrow": "=", r"\implies": "=",
}  # fmt: skip
_INEQUALITIES = ("<", ">", "<=", ">=", "!=")
_SET_OPERATIONS = {r"\cup": "union", r"\cap": "intersection", r"\setminus": "difference"}
_RATIO = (Token("mark", ":"), Token("word", "to"))
_JOINERS = {"and": "and", "or": "or", r"\land": "and", r"\lor": "or", "&": "and", r"\cup": "or", r"\cap": "and"}
_DIGITS = re.compile(r"\d{1,2}:[0-5]\d", re.ASCII)
_TEXT_GROUP = re.compile(r"\\(?:text|mathrm|textrm|mbox)\{(\w+)\}", re.ASCII)
_BASED = re.compile(r"\(?([0-9A-Fa-f]+)\)?_\{?\(?(\d\d?)\)?\}?", re.ASCII)


def _is_time(tokens: list[Token]) -> bool:
    """Hours, colon, two digits of minutes. A ratio may look the same; the comparison then reads it as either."""
    hours, colon, *rest = tokens
    return colon.text == ":" and bool(rest) and _DIGITS.fullmatch(f"{hours.text}:{rest[0].text}") is not None


_REMEMBERED_LENGTH = 300
"""Longer answers are parsed anew each time, which bounds the memory of the cache."""


class StatementParser(BracketParser):
    """The top of the grammar."""

    __slots__ = ()

    def statement(self) -> Node:
        """Items separated by commas, semicolons, `and` or `or`; a single item stands for itself."""
        self.enter()
        items = [self.relation()]
        joiner = ""
        while True:
            token = self.peek()
            if token.kind == "mark" and token.text in (",", ";"):
                self.take()
                joiner = joiner or ","
                while self.peek().text in (",", ";") and self.peek().kind == "mark":
                    self.take()
            elif token.text.lower() in _JOINERS and token.kind != "letter":
                pass
            else:
                break
            following = self.peek()
            if following.kind in ("word", "command", "mark") and following.text.lower() in _JOINERS:
                joiner = _JOINERS[self.take().text.lower()]
            if self.peek().kind == "end":
                break
            items.append(self.relation())
        self.depth -= 1
        return items[0] if len(items) == 1 else Group("", "", tuple(items), joiner)

    def relation(self) -> Node:
        terms, operators = [self.set_operation()], []
        while True:
            token = self.peek()
            negated = token.text == r"\not"
            operator = _RELATIONS.get(self.peek(1).text if negated else token.text)
            if operator is None or token.kind in ("letter", "word", "number"):
                break
            self.at += 2 if negated else 1
            operators.append("!=" if negated else operator)
            # After an inequality `∪` joins two inequalities, not two terms of one.
            terms.append(self.ratio() if operator in _INEQUALITIES else self.set_operation())
        return terms[0] if not operators else Relation(tuple(terms), tuple(operators))

    def set_operation(self) -> Node:
        left = self.ratio()
        while self.peek().text in _SET_OPERATIONS:
            operation = _SET_OPERATIONS[self.take().text]
            left = Apply(operation, (left, self.ratio()))
        return left

    def ratio(self) -> Node:
        first = self.sum()
        if self.peek() not in _RATIO or self.bars[-1:] == [r"\{"]:
            return first
        if _is_time(self.tokens[self.at - 1 : self.at + 2]):
            self.take()
            return Apply("time", (first, self.sum()))
        parts = [first]
        while self.peek() in _RATIO:
            self.take()
            parts.append(self.sum())
        return Apply("ratio", tuple(parts))

    def whole(self) -> Node:
        self.accept("~")
        while self.peek().kind == "word" and self.peek().text.lower() in LEADING_WORDS and self.peek(1).kind != "end":
            self.take()
        node = self.statement()
        if self.peek().kind != "end":
            raise NotMathsError(f"unexpected {self.peek().text[:20]}")
        return node


def parse(text: str, bare_commas: bool = True) -> Node:
    """The tree of a tidied answer. With `bare_commas` false, `1,234` is a list of two numbers.

    Raises:
        NotMathsError: it is no expression of this grammar.
        TooHardError: it is longer or deeper than the bounds allow.
    """
    if len(text) > MAX_ANSWER:
        raise TooHardError("too long")
    return _remembered(text, bare_commas) if len(text) <= _REMEMBERED_LENGTH else _parse(text, bare_commas)


def _parse(text: str, bare_commas: bool) -> Node:
    based = _BASED.fullmatch(_TEXT_GROUP.sub(r"\1", text.replace(" ", ""))) if "_" in text else None
    if based is not None and (len(based[1]) > 1 or based[1].isdigit()):
        return based_number(based[1], int(based[2]))
    parser = StatementParser(tokenise(join_groups(text, bare_commas=bare_commas)))
    tree = parser.whole()
    if depth_exceeds(tree, MAX_TREE_DEPTH):
        raise TooHardError("too deep a tree")
    return tree


_remembered = lru_cache(maxsize=4096)(_parse)
