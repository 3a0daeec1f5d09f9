"""The language-consistency reward of DeepSeek-R1 (arXiv 2501.12948, section 2.3.2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from grpo.rewards.language.share import check_language, count_words, count_words_and_new_ones
from grpo.rewards.text import THINK_CLOSE, THINK_OPEN, completion_text, reasoning_text
from grpo.types import Message

Text = str | Sequence[Message]


class LanguageConsistency:
    """The share of the reasoning's words that are in the target language, from 0 to 1, as `target_share` counts them.

    The reasoning stands between `<think>`, or the start where the prompt opened it, and the last `</think>`; without
    one the reward is 0. Three things are not worth more than they are:

    - reasoning of fewer than `min_words` words gets 0;
    - of words that only repeat a sentence or a long phrase, the first occurrence counts; the reward is the lower one of
      the shares with and without the repetitions;
    - when more words follow the reasoning than it has, the share of those counts if it is lower, so that nothing is won
      by thinking after `</think>`.

    Args:
        target: ISO 639-1 code of the one language wanted.
        column: data column with the language of each row; a row without one gets None.
        min_words: fewest countable words, at least 1. With neither `target` nor `column` the target is the language of
            the last user message (of the whole prompt, if it is plain text), and None where that has no words.

    Raises:
        ValueError: both `target` and `column` are given, the language is not supported, or `min_words` is below 1.
    """

    def __init__(self, *, target: str | None = None, column: str | None = None, min_words: float = 5.0) -> None:
        if target is not None and column is not None:
            raise ValueError(f"give target {target!r} or column {column!r}, not both")
        if target is not None:
            check_language(target)
        if column is not None and not column:
            raise ValueError("column '' is empty; name a column of the data")
        if not 1.0 <= min_words < math.inf:
            raise ValueError(f"min_words {min_words} must be at least 1")
        self._target = target
        self._column = column
        self._min_words = min_words

    def __call__(
        self,
        prompts: Sequence[Text],
        completions: Sequence[Text],
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """One share per completion, None where the row has no target language.

        Raises:
            ValueError: the column is missing, or a row names a language that is not supported.
        """
        targets = self._targets(prompts, columns)
        rewards = [
            None if target is None else self._reward(completion_text(text), target, _opened(prompt))
            for prompt, text, target in zip(prompts, completions, targets, strict=True)
        ]
        shares = [reward for reward in rewards if reward is not None]
        if log_metric is not None and shares:
            log_metric("language/share", math.fsum(shares) / len(shares))
        return rewards

    def _targets(self, prompts: Sequence[Text], columns: dict[str, Any]) -> list[str | None]:
        if self._target is not None:
            return [self._target] * len(prompts)
        if self._column is None:
            # The completions of a group share their prompt.
            detected = {question: _language_of(question) for question in {_question(prompt) for prompt in prompts}}
            return [detected[_question(prompt)] for prompt in prompts]
        if self._column not in columns:
            raise ValueError(f"the data has no column {self._column!r}, only {sorted(columns)}")
        targets: list[str | None] = list(columns[self._column])
        for target in {target for target in targets if target is not None}:
            check_language(target)
        return targets

    def _reward(self, text: str, target: str, opened: bool) -> float:
        reasoning = reasoning_text(text, opened=opened)
        if reasoning is None:
            return 0.0
        counted, new = count_words_and_new_ones(reasoning)
        if new.total < self._min_words:
            return 0.0
        reward = min(counted.share(target), new.share(target))
        rest = count_words(text.rpartition(THINK_CLOSE)[2])
        return min(reward, rest.share(target)) if rest.total > counted.total else reward


def _opened(prompt: Text) -> bool:
    return isinstance(prompt, str) and prompt.rstrip().endswith(THINK_OPEN)


def _question(prompt: Text) -> str:
    if isinstance(prompt, str):
        return prompt
    return next((turn["content"] for turn in reversed(prompt) if turn["role"] == "user"), "")


def _language_of(question: str) -> str | None:
    return count_words(question).leader()
