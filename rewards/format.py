"""Rewards for the shape of a completion, whatever it says.

Each comes for prompts that leave it to the model to open `<think>`, and with `opened=true` for prompts that end with
`<think>`, so that completions begin inside the reasoning.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from grpo.rewards.text import ANSWER_CLOSE, ANSWER_OPEN, THINK_CLOSE, THINK_OPEN, completion_text
from grpo.types import Message

_TAGS = (THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)
_BOX_OR_BRACE = re.compile(r"\\boxed\s{0,8}\{|\\.|[{}]|[^\s\\{}]+", re.DOTALL)


def think_answer_format(completions: Sequence[str | Sequence[Message]], **_: Any) -> list[float]:
    """1.0 where the whole completion is `<think>…</think><answer>…</answer>`, else 0.0.

    Whitespace is allowed before, between and after the two blocks, and nothing else. Each of the four tags
    occurs exactly once, and both blocks hold more than whitespace.
    """
    return [_think_answer(completion_text(text)) for text in completions]


def think_answer_format_opened(completions: Sequence[str | Sequence[Message]], **_: Any) -> list[float]:
    """`think_answer_format` for prompts that end with `<think>`, so that completions start inside the reasoning."""
    return [_think_answer(THINK_OPEN + completion_text(text)) for text in completions]


class _Format:
    """One score per completion; `opened` puts the prompt's `<think>` before it."""

    def __init__(self, *, opened: bool = False) -> None:
        if not isinstance(opened, bool):
            raise ValueError(f"opened {opened!r} must be true or false")
        self._before = THINK_OPEN if opened else ""

    def __call__(self, completions: Sequence[str | Sequence[Message]], **_: Any) -> list[float]:
        return [self.score(self._before + completion_text(text)) for text in completions]

    def score(self, text: str) -> float:
        """From 0 to 1, for a text with its `<think>`."""
        raise NotImplementedError


class TagCount(_Format):
    """A quarter for each of `<think>`, `</think>`, `<answer>` and `</answer>` that occurs exactly once.

    Neither order nor line breaks matter. With `opened` the prompt's `<think>` counts as the first quarter.
    """

    def score(self, text: str) -> float:
        """0, 0.25, 0.5, 0.75 or 1."""
        return sum(text.count(tag) == 1 for tag in _TAGS) / len(_TAGS)


class ThinkFormat(_Format):
    """1.0 where the completion is `<think>…</think>` once, and something follows; else 0.0.

    Only whitespace stands before `<think>`; the reasoning and what follows it are more than whitespace.
    """

    def score(self, text: str) -> float:
        """0 or 1."""
        body = text.strip()
        if body.count(THINK_OPEN) != 1 or body.count(THINK_CLOSE) != 1 or not body.startswith(THINK_OPEN):
            return 0.0
        reasoning, _, rest = body.removeprefix(THINK_OPEN).partition(THINK_CLOSE)
        return float(bool(reasoning.strip()) and bool(rest.strip()))


class BoxedAnswer(_Format):
    r"""1.0 where a closed `\boxed{…}` with more than whitespace in it follows the reasoning; else 0.0.

    The reasoning ends at the last `</think>`. A text without tags is searched whole; reasoning that was opened and
    never closed has no answer.
    """

    def score(self, text: str) -> float:
        """0 or 1."""
        after = text.rpartition(THINK_CLOSE)[2]
        return float(THINK_OPEN not in after and _has_filled_box(after))


def _has_filled_box(text: str) -> bool:
    # One entry per open brace: whether it belongs to a box, and whether anything was written inside so far.
    open_braces: list[tuple[bool, bool]] = []
    for match in _BOX_OR_BRACE.finditer(text):
        piece = match.group()
        if piece == "{" or piece.startswith("\\boxed"):
            open_braces.append((piece != "{", False))
        elif piece != "}":
            if open_braces:
                open_braces[-1] = (open_braces[-1][0], True)
        elif open_braces:
            boxed, filled = open_braces.pop()
            if boxed and filled:
                return True
            if open_braces and filled:
                open_braces[-1] = (open_braces[-1][0], True)
    return False


def _think_answer(text: str) -> float:
    body = text.strip()
    if any(body.count(tag) != 1 for tag in _TAGS):
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
