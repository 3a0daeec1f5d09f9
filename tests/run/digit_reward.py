"""A user's reward, named in tests as `tests/run/digit_reward.py:digit_share`."""

from __future__ import annotations

from typing import Any


def digit_share(completions: list[str], **columns: Any) -> list[float]:
    """Share of the characters that are digits."""
    return [sum(c.isdigit() for c in text) / max(1, len(text)) for text in completions]
