"""Rows for the verifier's audit: labelled cases, and problems with their solutions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOWN_ERRORS = 10
FINAL_ANSWER = "####"
"""In GSM8K's solutions the answer follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One judgement to make, and what it should be."""

    row: int
    """Line of the file, from 1."""
    gold: str
    text: str
    equal: bool
    type: str


class RowError(ValueError):
    """What is wrong with one row."""


def read_cases(path: Path) -> list[Case]:
    """Labelled cases. Raises ValueError with the number of each bad row and the reason, OSError without a file."""
    return _read(path, _case)


def read_solutions(path: Path) -> list[Case]:
    """Each row's solution against its own answer, labelled equal; raises as `read_cases`."""
    return _read(path, _solution)


def _read(path: Path, parse: Callable[[int, dict[str, Any]], Case]) -> list[Case]:
    cases: list[Case] = []
    problems: list[str] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            cases.append(parse(number, _object(line)))
        except RowError as error:
            problems.append(f"row {number}: {error}")
    if problems:
        more = [f"and {len(problems) - SHOWN_ERRORS} more"] if len(problems) > SHOWN_ERRORS else []
        raise ValueError("\n".join([f"{path} has bad rows:", *problems[:SHOWN_ERRORS], *more]))
    if not cases:
        raise ValueError(f"{path} has no rows")
    return cases


def _object(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:  # bytes that are no UTF-8 included
        raise RowError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise RowError(f"a {type(row).__name__}, not an object")
    return row


def _field(row: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = row.get(name, default)
    if value is None:
        raise RowError(f"{name!r} is missing; the row has {sorted(row)}")
    if not isinstance(value, kind):
        raise RowError(f"{name!r} is {type(value).__name__} {str(value)[:60]!r}, not {kind.__name__}")
    return value


def _case(number: int, row: dict[str, Any]) -> Case:
    return Case(
        row=number,
        gold=_field(row, "gold", str),
        text=_field(row, "text", str),
        equal=_field(row, "equal", bool),
        type=_field(row, "type", str, default="untyped"),
    )


def _solution(number: int, row: dict[str, Any]) -> Case:
    if "solution" in row:
        text = _field(row, "solution", str)
        gold = _field(row, "answer", str) if "answer" in row else _last_box(text)
        kind = row.get("type", row.get("subject"))
    else:
        text = _field(row, "answer", str)
        before, mark, after = text.rpartition(FINAL_ANSWER)
        if not mark or not before.strip() or not after.strip():
            raise RowError(f"no 'solution', and 'answer' has no {FINAL_ANSWER!r} with text on both sides")
        gold, kind = after.strip(), None
    return Case(row=number, gold=gold, text=text, equal=True, type=kind if isinstance(kind, str) else "untyped")


def _last_box(solution: str) -> str:
    r"""What the last `\boxed` of a data set's solution holds: `\boxed{…}`, or `\boxed 5`."""
    at, command = max((solution.rfind(command), command) for command in (r"\boxed", r"\fbox"))
    if at < 0:
        raise RowError(r"no 'answer', and 'solution' has no \boxed")
    body = solution[at + len(command) :].lstrip()
    if not body.startswith("{"):
        return body[:1]
    depth = 0
    for index, character in enumerate(body):
        escaped = index > 0 and body[index - 1] == "\\"
        depth += 0 if escaped else (character == "{") - (character == "}")
        if depth == 0 and index:
            return body[1:index]
    raise RowError(r"the last \boxed of 'solution' is not closed")
