"""What a reward function takes for a completion's answer, in a spelling in which equal answers are equal text.

Majority votes count these. A reward of the user's takes part with an attribute `answers` of the same form, where it
runs in this process (`reward.in_process=true`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from grpo.rewards.integer import canonical_integer
from grpo.rewards.math.extract import extract
from grpo.rewards.math.normalise import squeeze, tidy
from grpo.rewards.registry import REGISTERED, Settings, resolve
from grpo.rewards.text import final_answer

MOST_NORMALISED = 1000
"""Characters of an answer that are brought to one spelling; longer ones are compared as they are."""

Answers = Callable[[Sequence[str]], list[str | None]]
"""Texts of completions → the answer of each; None where there is none, so that it has no vote."""


def integer_answers(texts: Sequence[str]) -> list[str | None]:
    """The integer in the answer block, as `exact_integer` reads it."""
    return [canonical_integer(found) if (found := final_answer(text)) is not None else None for text in texts]


def math_answers(texts: Sequence[str]) -> list[str | None]:
    """What stands in the answer tag or the last box, spaces and delimiters aside.

    Nothing is parsed: `1/2` and `0.5` are two answers. Answers outside of tags and boxes have no vote.
    """
    return [_spelling(extract(text).answer) for text in texts]


def _spelling(answer: str | None) -> str | None:
    if answer is None or not answer.strip():
        return None
    short = len(answer) <= MOST_NORMALISED
    return canonical_integer(answer) or (squeeze(tidy(answer)) if short else answer.strip())


ANSWERS: dict[str, Answers] = {
    "exact_integer": integer_answers,
    "math_answer": math_answers,
}
"""By the name of the registered reward."""


def answers_of(name: str, settings: Settings, *, in_process: bool) -> Answers | None:
    """How the reward of this name reads answers; None where it does not say. Raises ValueError as `resolve` does."""
    if name in REGISTERED or not in_process:
        return ANSWERS.get(name)
    found: Any = getattr(resolve(name, settings), "answers", None)
    return found if callable(found) else None
