"""What of a text is language: LaTeX, code, addresses and tags removed, the words inside `\\text{}` kept.

Something is removed because of what it *contains*, not because of its delimiters: prose between `$` signs, back-ticks
or angle brackets stays, so that reasoning cannot be hidden there. Every step is one scan with bounded look-ahead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MATHS_WORDS = 2
"""A maths span with this many words of at least three letters outside commands is prose."""
WORDS_PER_SIGN = 5
"""Code has at least one sign such as `=` or `(` for this many words."""
STATEMENT_WORDS = 8
"""A line of code has so many signs, or is shorter than this and begins like a statement."""
WORDS_PER_CODE_WORD = 6
"""Code has at least one word in lines of code for this many words: the rest may be comments."""
LONGEST_MATHS = 5000
"""Characters; a longer span is no formula."""
PROSE_WORDS = 5
"""Fewer words than this between back-ticks or fences are code (`import math as m`), whatever the signs."""
TAG_WORDS = 4
"""A tag with this many words beside attribute names is prose."""

_TEXT_NAMES = "text textbf textit textrm textsf texttt textup textnormal mbox hbox emph underline section title"
_TEXT_COMMANDS = frozenset(f"\\{name}" for name in _TEXT_NAMES.split())
_NAME_NAMES = """begin end operatorname operatorname* mathrm mathbf mathsf mathit mathtt mathcal mathbb mathfrak label
    ref eqref cite tag color textcolor usepackage documentclass hspace vspace"""
_NAMED_COMMANDS = frozenset(f"\\{name}" for name in _NAME_NAMES.split())
"""Commands whose argument is a name, not language."""

_PIECE = re.compile(r"\\[A-Za-z]+\*?|\\.|[{}]|[^\\{}]+|\\", re.DOTALL)
_MARKS = "\u0300-\u036f\u0981-\u0983\u09bc-\u09cd\u09d7\u0c00-\u0c04\u0c3c-\u0c56\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
_LONG_WORD = re.compile(rf"(?:[^\W\d_]|[{_MARKS}]){{3,}}")
_SPACELESS = re.compile(r"[\u0e01-\u0e46\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff]{3}")
_WORD = re.compile(rf"(?:[^\W\d_]|[{_MARKS}]){{2,}}")
_SIGN = re.compile(r"[=(){}\[\];<>+*/|&%_]")
_INLINE = re.compile(r"`[^`\n]{1,300}`")
_STATEMENT = re.compile(
    r"\s{0,40}(?:def|return|class|import|from|for|if|elif|else|while|try|print|let|const|var|int|SELECT|#include)\b"
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-;=?-~]{1,150}")
_MAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9.+-]{1,64}@[A-Za-z0-9.-]{1,100}")
_ENTITY = re.compile(r"&[A-Za-z]{2,8};")
_TAG = re.compile(r"<[/!]?[A-Za-z][^<>\n]{0,200}>")
_ATTRIBUTE = re.compile(r"[\w:-]{1,40}\s?=")
_OPENER = re.compile(r"\$\$?|\\[(\[]|\\begin\{([A-Za-z]{1,20}\*?)\}")
_CLOSERS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_PROSE_ENVIRONMENTS = frozenset({"document", "center", "itemize", "enumerate", "proof", "quote", "abstract", "figure"})


def language_only(text: str) -> str:
    """`text` without LaTeX, code, addresses and tags; each removed part leaves white space. Linear in its length."""
    if "```" in text:
        text = _without_fences(text)
    if "[asy]" in text:
        text = _without_drawings(text)
    if "`" in text:
        text = _INLINE.sub(_inline, text)
    if "$" in text or "\\" in text:
        text = "".join(_without_maths(text))
    if "://" in text or "www." in text:
        text = _ADDRESS.sub(" ", text)
    if "&" in text:
        text = _ENTITY.sub(" ", text)
    if "@" in text:
        text = _MAIL.sub(" ", text)
    if "<" in text:
        text = _TAG.sub(_tag, text)
    return text


def _without_fences(text: str) -> str:
    # Between two fences stands code; an unclosed one reaches to the end.
    return " ".join(_fenced(part) if index % 2 else part for index, part in enumerate(text.split("```")))


def _without_drawings(text: str) -> str:
    # Asymptote code between `[asy]` and `[/asy]`, as in the MATH data set.
    first, *rest = text.split("[asy]")
    kept = [first]
    for part in rest:
        drawing, closer, after = part.partition("[/asy]")
        kept.append(after if closer and _is_code(drawing) else part)
    return "\n".join(kept)


def _fenced(block: str) -> str:
    first, newline, body = block.partition("\n")
    # The first line of a fence names a language (`python`), unless it holds more than one word.
    content = body if newline and len(first.split()) <= 1 else block
    return "\n" if _is_code(content) else f"\n{content}\n"


def _inline(match: re.Match[str]) -> str:
    span = match.group()[1:-1]
    return " " if _is_code(span) else f" {span} "


def _is_code(text: str) -> bool:
    total = signs = code = 0
    for line in text.splitlines():
        size, signs_here = _size(line), len(_SIGN.findall(line))
        total += size
        signs += signs_here
        if signs_here * WORDS_PER_SIGN >= size or (size <= STATEMENT_WORDS and _STATEMENT.match(line)):
            code += size
    return total < PROSE_WORDS or signs * WORDS_PER_SIGN >= total or code * WORDS_PER_CODE_WORD >= total


def _size(text: str) -> int:
    """Words of a text, three letters of a script without spaces being one."""
    return len(_WORD.findall(text)) + len(_SPACELESS.findall(text))


def _tag(match: re.Match[str]) -> str:
    tag = match.group()
    if len(tag) < 16:
        return " "
    return f" {tag[1:-1]} " if _size(_ATTRIBUTE.sub(" ", tag)) >= TAG_WORDS + 1 else " "


def _without_maths(text: str) -> Iterator[str]:
    position = done = 0
    nearest: dict[str, int] = {}
    while opener := _OPENER.search(text, position):
        start, end = opener.span()
        if start and text[start - 1] == "\\":  # `\$` is a dollar, `\\[2pt]` a line break
            position = end
            continue
        stop = _end_of_maths(text, opener, nearest)
        if stop is None:
            position = end
            continue
        inner_end, after = stop
        kept = _maths(text[end:inner_end])
        if kept is None and opener.group() == "$":
            position = end  # prose between two dollars: the second may open maths
            continue
        yield _commands_removed(text[done:start])
        yield f" {_commands_removed(text[end:inner_end]) if kept is None else kept} "
        position = done = after
    yield _commands_removed(text[done:])


def _end_of_maths(text: str, opener: re.Match[str], nearest: dict[str, int]) -> tuple[int, int] | None:
    """Where the maths that `opener` begins ends, and where the text goes on; None when it does not end.

    `nearest` keeps the place of each closer found so far, so that many openers do not search the same text.
    """
    name = opener.group(1)
    if name in _PROSE_ENVIRONMENTS:
        return None
    closer = f"\\end{{{name}}}" if name else _CLOSERS[opener.group()]
    limit = opener.end() + LONGEST_MATHS
    if nearest.get(closer, -1) < opener.end():
        found = text.find(closer, opener.end(), limit)
        nearest[closer] = found if found >= 0 else limit
    found = nearest[closer]
    if found >= limit or not text.startswith(closer, found):
        return None
    if closer == "$" and not _pairs(text, opener.start(), found):
        return None
    return found, found + len(closer)


def _pairs(text: str, first: int, second: int) -> bool:
    """Whether two dollar signs can stand around a formula, rather than before two prices."""
    if text[second + 1 : second + 2].isdigit():
        return False  # `from $5 to $9`
    if text[second - 1].isspace() and not text[first + 1].isspace():
        return False  # `costs $5, so $x = 5$`
    return "\n\n" not in text[first:second]


def _maths(span: str) -> str | None:
    """The words inside `\\text{}` of a formula; None when the span is prose."""
    inside: list[str] = []
    words = 0
    for mode, piece in _pieces(span, "maths"):
        if mode == "text":
            inside.append(piece)
        else:
            words += len(_LONG_WORD.findall(piece)) + len(_SPACELESS.findall(piece)) // 2
            if words >= MATHS_WORDS:
                return None
    return " ".join(inside)


def _commands_removed(text: str) -> str:
    """Prose without LaTeX commands; their arguments stay, save for names such as `\\begin{align}`."""
    if "\\" not in text:
        return text
    return " ".join(piece for _, piece in _pieces(text, "prose"))


def _pieces(text: str, base: str) -> Iterator[tuple[str, str]]:
    """Stretches of text between commands and braces, each with its mode: `text`, or `base`; names are left out."""
    modes = [base]
    pending: str | None = None
    for match in _PIECE.finditer(text):
        piece = match.group()
        if piece == "{":
            modes.append(pending or modes[-1])
            pending = None
        elif piece == "}":
            if len(modes) > 1:
                modes.pop()
            pending = None
        elif piece[0] == "\\":
            pending = "text" if piece in _TEXT_COMMANDS else "name" if piece in _NAMED_COMMANDS else None
        else:
            if piece.strip():
                pending = None
            if modes[-1] != "name":
                yield modes[-1], piece
