"""A reward that random text seldom gets in full."""

from __future__ import annotations

from typing import Any


def low_digit(completions: list[str], **_: Any) -> list[float]:
    """1 where 0, 1 or 2 occurs."""
    return [float(any(character in "012" for character in text)) for text in completions]
