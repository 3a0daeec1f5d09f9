"""Small pieces of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grpo.report.read import number
from grpo.report.text import figure


def cell(value: object) -> str:
    """Text for a table's cell: one line, no column border."""
    return " ".join(str(value).split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; nothing without rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell(value) for value in line) + " |\n" for line in lines)


def code(value: object) -> str:
    """Inline code."""
    return f"`{' '.join(str(value).split()).replace('`', chr(39))}`"


def block(text: str, language: str = "") -> str:
    """A fenced block whose fence the text does not hold."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every leaf that is set."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat({str(k): v for k, v in value.items()}, f"{prefix}{key}.")
        elif value is not None and value != []:
            yield f"{prefix}{key}", value


def settings(values: Mapping[str, Any]) -> str:
    """`steps` 450, `seed` 0: the leaves in a line."""
    return ", ".join(f"{code(path)} {shown(value)}" for path, value in flat(values))


def shown(value: Any) -> str:
    """A value of the config or the summary in a line of text."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float) and number(value) is not None:
        return f"{value:g}" if value == float(f"{value:g}") else figure(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    return cell(value)
