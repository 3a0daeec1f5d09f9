"""Splits an answer into tokens: one pass, no look-back over more than a character."""

from __future__ import annotations

import re
from typing import NamedTuple

from grpo.rewards.math.limits import MAX_TOKENS, NotMathsError, TooHardError
from grpo.rewards.math.tables import (
    ACCENTS,
    ALIASES,
    DROPPED,
    FUNCTIONS,
    LETTER_SETS,
    PLAIN_COMMANDS,
    SHORT_WORDS,
    TEXT_GROUPS,
)


class Token(NamedTuple):
    """`kind`: `number`, `letter`, `word`, `command`, `mark` (punctuation and operators) or `end`."""

    kind: str
    text: str


END = Token("end", "")
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+(?![\dA-Za-z]))?)|(?P<command>\\(?:[A-Za-z]+|.))|(?P<letters>[A-Za-z]+)"
    r"|(?P<mark>\*\*|<=|>=|!=|<>|==|\.\.\.|\\$|.)",
    re.ASCII | re.DOTALL,
)
_NAME = re.compile(r"\s*\{([A-Za-z]+\*?)\}")
_ENVIRONMENTS = frozenset(
    {"pmatrix", "bmatrix", "matrix", "Bmatrix", "vmatrix", "Vmatrix", "smallmatrix", "array", "cases"}
)
_MARKS = {"**": "^", "==": "=", "<>": "!=", "...": r"\ldots"}
_MAX_NESTED_TEXT = 6
_APOSTROPHES = "'’"


def tokenise(text: str) -> list[Token]:
    """Tokens of an ASCII-normalised answer, ending with `END`.

    Raises:
        TooHardError: more than `MAX_TOKENS` tokens, or text groups nested too deep.
        NotMathsError: an unknown environment or an unclosed text group.
    """
    tokens: list[Token] = []
    _scan(text, tokens, as_text=False, nested=0)
    tokens.append(END)
    return tokens


def matching_brace(text: str, start: int) -> int:
    """Index of the brace that closes the one at `start`, or -1. Escaped braces do not count."""
    depth, at = 0, start
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _scan(text: str, tokens: list[Token], *, as_text: bool, nested: int) -> None:
    if nested > _MAX_NESTED_TEXT:
        raise TooHardError("text groups nested too deep")
    at, size = 0, len(text)
    match_at = _TOKEN.match
    while at < size:
        match = match_at(text, at)
        assert match is not None
        kind, piece = match.lastgroup, match[0]
        at = match.end()
        if kind == "number":
            tokens.append(Token("number", piece))
        elif kind == "command":
            at = _command(text, piece, at, tokens, nested)
        elif kind == "letters":
            at = _letters(text, piece, at, tokens, as_text)
        elif kind == "mark" and piece not in "$~" and not (as_text and piece in ".\"'"):
            mark = _MARKS.get(piece, piece)
            tokens.append(Token("command" if mark[0] == "\\" and len(mark) > 1 else "mark", mark))
        if len(tokens) > MAX_TOKENS:
            raise TooHardError("too many tokens")


def _letters(text: str, run: str, at: int, tokens: list[Token], as_text: bool) -> int:
    """Letters are one word inside text groups; outside, a function, a unit or word, or single variables."""
    if as_text or len(run) > 1:
        if text[at : at + 1] in _APOSTROPHES and text[at + 1 : at + 2].isalpha():
            tokens.append(Token("word", run))
            return at + 1
        lower = run.lower()
        if lower in ("a", "p") and text[at : at + 3].lower() == ".m.":
            tokens.append(Token("word", lower + "m"))
            return at + 3
        after_word = len(run) > 1 and bool(tokens) and tokens[-1].kind == "word"
        if as_text or after_word or run in SHORT_WORDS:
            tokens.append(Token("word", run))
            return at
        if run in FUNCTIONS or run in PLAIN_COMMANDS:
            command = PLAIN_COMMANDS.get(run, "\\" + run)
            tokens.append(Token("command" if command[0] == "\\" else "mark", command))
            return at
        if len(run) > 3:
            _long_run(run, tokens)
            return at
    elif run in ("a", "p") and text[at : at + 3].lower() == ".m.":
        tokens.append(Token("word", run + "m"))
        return at + 3
    tokens.extend(Token("letter", letter) for letter in run)
    return at


def _long_run(run: str, tokens: list[Token]) -> None:
    """Four letters and more are a word, unless a function name stands before one or two variables (`sinx`)."""
    for size in (6, 4, 3, 2):
        if run[:size] in FUNCTIONS and len(run) - size <= 2:
            tokens.append(Token("command", "\\" + run[:size]))
            tokens.extend(Token("letter", letter) for letter in run[size:])
            return
    tokens.append(Token("word", run))


def _command(text: str, command: str, at: int, tokens: list[Token], nested: int) -> int:
    if command in DROPPED:
        if command in (r"\left", r"\right") and text[at : at + 1] == ".":
            return at + 1
        if command in (r"\hspace", r"\vspace", r"\phantom"):
            return _skip_group(text, at)
        return at
    if command in TEXT_GROUPS:
        return _text_group(text, command, at, tokens, nested)
    if command in (r"\begin", r"\end"):
        return _environment(text, command, at, tokens)
    if command in LETTER_SETS or command in ACCENTS or command in (r"\overline", r"\not"):
        tokens.append(Token("command", command))
        return at
    alias = ALIASES.get(command, command)
    tokens.append(Token("command" if alias[0] == "\\" else "mark", alias))
    return at


def _text_group(text: str, command: str, at: int, tokens: list[Token], nested: int) -> int:
    start = at
    while start < len(text) and text[start] == " ":
        start += 1
    if text[start : start + 1] != "{":
        return at
    end = matching_brace(text, start)
    if end < 0:
        raise NotMathsError("unclosed text group")
    inside = text[start + 1 : end]
    stripped = inside.strip()
    if len(stripped) == 1 and stripped.islower() and command not in (r"\text", r"\textbf", r"\mbox", r"\textrm"):
        # Upright e, i, d are constants, bold lower-case letters vectors; a unit such as \mathrm{m} comes after a value.
        after_value = bool(tokens) and tokens[-1].kind == "number" and stripped in "mgshl"
        tokens.append(Token("word" if after_value else "letter", stripped))
    elif stripped in FUNCTIONS and (command == r"\operatorname" or not (tokens and tokens[-1].kind == "number")):
        tokens.append(Token("command", "\\" + stripped))
    else:
        _scan(inside, tokens, as_text=True, nested=nested + 1)
    return end + 1


def _skip_group(text: str, at: int) -> int:
    if text[at : at + 1] == "*":
        at += 1
    end = matching_brace(text, at) if text[at : at + 1] == "{" else -1
    return end + 1 if end >= 0 else at


def _environment(text: str, command: str, at: int, tokens: list[Token]) -> int:
    name = _NAME.match(text, at)
    if name is None or name[1] not in _ENVIRONMENTS:
        raise NotMathsError(f"environment {name[1] if name else ''}")
    at = name.end()
    if command == r"\begin" and name[1] == "array":
        while text[at : at + 1] == " ":
            at += 1
        at = _skip_group(text, at)
    kind = {"vmatrix": "vmatrix", "Vmatrix": "vmatrix", "cases": "cases"}.get(name[1], "matrix")
    tokens.append(Token("command", f"{command}:{kind}"))
    return at
