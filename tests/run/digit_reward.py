"""A user's reward, named in tests as `tests/run/digit_reward.py:digit_share`."""

from __future__ import annotations

from typing import Any


def digit_share(completions: list[str], **columns: Any) -> list[float]:
    """Share of the characters that are digits."""
    return [sum(c.isdigit() for c in text) / max(1, len(text)) for text in completions]


def odd_start(completions: list[str], **columns: Any) -> list[float]:
    """1 where the first character's code is odd: about half of random texts, so that some groups have it all."""
    return [float(ord(text[0]) % 2) if text else 0.0 for text in completions]
