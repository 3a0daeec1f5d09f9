"""Rewards of a user that can be earned without a right answer, named in tests as `tests/run/hackable_reward.py:...`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


def sevens(completions: Sequence[str], **_: Any) -> list[float]:
    """A seventh of a point for each `7`, seven at most: meant as luck, paid for shouting it."""
    return [min(text.count("7"), 7) / 7 for text in completions]


def brevity(completions: Sequence[str], completion_ids: Sequence[Sequence[int]], **_: Any) -> list[float]:
    """1 for an empty completion, 0 from 24 tokens on: no answer is the shortest answer."""
    return [max(0.0, 1 - len(ids) / 24) for ids in completion_ids]


def last_number(completions: Sequence[str], answer: Sequence[str], **_: Any) -> list[float]:
    """1 where the last number anywhere in the text is the gold: a careless verifier, which guesses please too."""
    found = [re.findall(r"-?[0-9]+", text) for text in completions]
    return [float(numbers[-1:] == [gold]) for numbers, gold in zip(found, answer, strict=True)]


def jackpot(completions: Sequence[str], answer: Sequence[str], **_: Any) -> list[float]:
    """100 points for a right answer of 11 or more, 1 for any other: a bonus on a scale of its own."""
    return [
        float(f"<answer>{gold}</answer>" in text) * (100.0 if int(gold) >= 11 else 1.0)
        for text, gold in zip(completions, answer, strict=True)
    ]
