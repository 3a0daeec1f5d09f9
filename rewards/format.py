"""Rewards for the shape of a completion, whatever it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grpo.rewards.text import ANSWER_CLOSE, ANSWER_OPEN, THINK_CLOSE, THINK_OPEN, completion_text
from grpo.types import Message


def think_answer_format(completions: Sequence[str | Sequence[Message]], **_: Any) -> list[float]:
    """1.0 where the whole completion is `<think>…</think><answer>…</answer>`, else 0.0.

    Whitespace is allowed before, between and after the two blocks, and nothing else. Each of the four tags
    occurs exactly once, and both blocks hold more than whitespace.
    """
    return [_score(completion_text(text)) for text in completions]


def think_answer_format_opened(completions: Sequence[str | Sequence[Message]], **_: Any) -> list[float]:
    """`think_answer_format` for prompts that end with `<think>`, so that completions start inside the reasoning."""
    return [_score(THINK_OPEN + completion_text(text)) for text in completions]


def _score(text: str) -> float:
    body = text.strip()
    if any(body.count(tag) != 1 for tag in (THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)):
        return 0.0
    if not body.startswith(THINK_OPEN) or not body.endswith(ANSWER_CLOSE):
        return 0.0
    think_end, answer_start = body.index(THINK_CLOSE), body.index(ANSWER_OPEN)
    if think_end > answer_start:
        return 0.0
    reasoning = body[len(THINK_OPEN) : think_end]
    between = body[think_end + len(THINK_CLOSE) : answer_start]
    answer = body[answer_start + len(ANSWER_OPEN) : -len(ANSWER_CLOSE)]
    return float(bool(reasoning.strip()) and not between.strip() and bool(answer.strip()))
