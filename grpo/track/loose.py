"""Values out of files that others may have written: each reader gives what it can use, else nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

_MOST_NUMBER = 1e300


def number(value: object) -> float | None:
    """`value` as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) > _MOST_NUMBER:
        return None
    return float(value) if math.isfinite(value) else None


def text(value: object) -> str:
    """`value` if it is text, a number as text, else nothing."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is a mapping, with keys as text, else an empty one."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}


def sequence(value: object) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def interval(value: object) -> tuple[float | None, float | None]:
    """Lower and upper end of a list of two; (None, None) for anything else."""
    ends = [number(end) for end in sequence(value)]
    return (ends[0], ends[1]) if len(ends) == 2 else (None, None)
