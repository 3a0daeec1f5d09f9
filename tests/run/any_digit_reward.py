"""A reward that random text sometimes gets in full."""

from __future__ import annotations

from typing import Any


def any_digit(completions: list[str], **_: Any) -> list[float]:
    """1 where a digit occurs."""
    return [float(any(character in "0123456789" for character in text)) for text in completions]
