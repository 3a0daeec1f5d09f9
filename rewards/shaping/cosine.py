"""Cosine length reward (Demystifying Long Chain-of-Thought, arXiv 2502.03373, appendix C.1)."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grpo.rewards.integer import exact_integer
from grpo.rewards.text import completion_text
from grpo.types import Message

Completions = Sequence[str | Sequence[Message]]


def _exact_integer(completions: Completions, answer: Sequence[str]) -> list[bool]:
    return [value == 1.0 for value in exact_integer(completions, answer)]


def _math(completions: Completions, answer: Sequence[str]) -> list[bool]:
    verifier = importlib.import_module("grpo.rewards.math")  # late: it starts worker processes
    texts = [completion_text(text) for text in completions]
    return [result.equal for result in verifier.verify_batch(list(answer), texts)]


ACCURACIES: Mapping[str, Callable[[Completions, Sequence[str]], list[bool]]] = {
    "exact_integer": _exact_integer,
    "math": _math,
}
"""Name to a function that says which completions are correct."""


class CosineLength:
    """A reward for correctness that depends on the length: short is best when right, long is best when wrong.

    With y the completion's length in tokens, its end-of-sequence token included, and L = `max_tokens`:

        r(y) = long + (short - long) · (1 + cos(π y / L)) / 2     for y < L, `short` at y = 0 and `long` towards L
        r(y) = `exceeded`                                         for y ≥ L

    `short` and `long` are the correct or the wrong pair. The defaults are the paper's: 2 → 1 when correct, -10 → 0 when
    wrong, -10 at the limit of 14,336 tokens. TRL uses 1 → 0.5 and -1 → -0.5 and no value for exceeding.

    Args:
        accuracy: what makes a completion correct: `exact_integer`, or `math` for the mathematical verifier.

    Raises:
        ValueError: `accuracy` is unknown, `max_tokens` is below 1, or a value is not finite.
    """

    def __init__(
        self,
        *,
        max_tokens: int = 14_336,
        correct_short: float = 2.0,
        correct_long: float = 1.0,
        wrong_short: float = -10.0,
        wrong_long: float = 0.0,
        exceeded: float = -10.0,
        accuracy: str = "math",
    ) -> None:
        if max_tokens < 1:
            raise ValueError(f"max_tokens {max_tokens} must be at least 1")
        values = (correct_short, correct_long, wrong_short, wrong_long, exceeded)
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"the values {values} must be finite")
        if accuracy not in ACCURACIES:
            raise ValueError(f"accuracy {accuracy!r} is unknown; choose one of {', '.join(ACCURACIES)}")
        self._max_tokens = max_tokens
        self._ends = {True: (correct_short, correct_long), False: (wrong_short, wrong_long)}
        self._exceeded = exceeded
        self._correct = ACCURACIES[accuracy]

    def __call__(
        self, completions: Completions, completion_ids: Sequence[Sequence[int]], answer: Sequence[str], **_: Any
    ) -> list[float]:
        """One reward per completion.

        Raises:
            ValueError: a gold answer cannot be read, as the chosen `accuracy` says.
        """
        correct = self._correct(completions, answer)
        return [self._reward(right, len(ids)) for right, ids in zip(correct, completion_ids, strict=True)]

    def _reward(self, correct: bool, length: int) -> float:
        if length >= self._max_tokens:
            return self._exceeded
        short, long = self._ends[correct]
        return long + (short - long) * (1.0 + math.cos(math.pi * length / self._max_tokens)) / 2
