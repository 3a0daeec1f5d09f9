"""From a raw row to a `Problem`, or the reason why not."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from typing import Any

from grpo.config.slices import DataConfig
from grpo.data.gold import NoGoldError, split_solution
from grpo.data.template import demonstration
from grpo.types import Message, Problem

CALCULATOR_NOTE = re.compile(r"<<[^<>]*>>")
"""GSM8K writes `48/2 = <<48/2=24>>24`."""
ROLES = ("system", "user", "assistant", "tool")


class BadRowError(ValueError):
    """A row that gives no problem; the message is the reason."""


def problem_of(values: Mapping[str, Any], data: DataConfig, default_id: str) -> Problem:
    """One problem; columns other than the prompt, the row's `id` included, become `Problem.columns`.

    Raises:
        BadRowError: a column is missing, empty or of the wrong type, or the gold marker is missing.
    """
    prompt = _prompt(values, data.prompt_column)
    answer = _gold(_text(values, data.answer_column), data)
    return Problem(
        id=_row_id(values, default_id),
        prompt=prompt,
        answer=answer,
        demonstration=_demonstration(values, data, answer),
        columns={name: value for name, value in values.items() if name != data.prompt_column},
    )


def _present(values: Mapping[str, Any], column: str) -> Any:
    if column not in values:
        raise BadRowError(f"column {column!r} is missing; the row has {sorted(values)}")
    if values[column] is None:
        raise BadRowError(f"column {column!r} is null")
    return values[column]


def _text(values: Mapping[str, Any], column: str) -> str:
    value = _present(values, column)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)  # tables store whole numbers as 27.0
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        value = str(value)
    if not isinstance(value, str):
        raise BadRowError(f"column {column!r} is a {type(value).__name__}, not text")
    return _checked(value, f"column {column!r}")


def _checked(text: str, where: str) -> str:
    if not text.strip():
        raise BadRowError(f"{where} is empty")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRowError(f"{where} holds half a surrogate pair at character {error.start}") from error
    return text


def _prompt(values: Mapping[str, Any], column: str) -> str | tuple[Message, ...]:
    value = _present(values, column)
    if isinstance(value, str):
        return _checked(value, f"column {column!r}")
    if not isinstance(value, list):
        raise BadRowError(f"column {column!r} is a {type(value).__name__}, not text or a list of chat messages")
    if not value:
        raise BadRowError(f"column {column!r} is empty")
    return tuple(_message(turn, f"message {place} of column {column!r}") for place, turn in enumerate(value, start=1))


def _message(turn: Any, where: str) -> Message:
    if not isinstance(turn, Mapping) or not isinstance(turn.get("role"), str):
        raise BadRowError(f"{where} is not an object with 'role' and 'content'")
    if turn["role"] not in ROLES:
        raise BadRowError(f"{where} has the role {turn['role']!r}; valid are {', '.join(ROLES)}")
    if not isinstance(turn.get("content"), str):
        raise BadRowError(f"{where} has no text as its 'content'")
    return {"role": turn["role"], "content": _checked(turn["content"], where)}


def _gold(text: str, data: DataConfig) -> str:
    if data.gold_after is None:
        return text.strip()
    try:
        return split_solution(text, data.gold_after).gold
    except NoGoldError as error:
        raise BadRowError(f"column {data.answer_column!r} gives no gold answer: {error}") from error


def _demonstration(values: Mapping[str, Any], data: DataConfig, answer: str) -> str | None:
    column = data.demonstration_column
    if column is None:
        return None
    text = _text(values, column)
    if data.gold_after is not None and data.gold_after in text:
        with contextlib.suppress(NoGoldError):  # the gold may come from another column
            text = split_solution(text, data.gold_after).reasoning
    try:
        return demonstration(CALCULATOR_NOTE.sub("", text), answer)
    except ValueError as error:
        raise BadRowError(f"column {column!r} gives no demonstration: {error}") from error


def _row_id(values: Mapping[str, Any], default_id: str) -> str:
    value = values.get("id")
    if value is None:
        return default_id
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadRowError(f"column 'id' is a {type(value).__name__}, not text or a whole number")
    return _checked(str(value), "column 'id'")
