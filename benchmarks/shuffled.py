"""A control: the right rewards given to the wrong completions. What still rises was not learnt from the reward."""

from __future__ import annotations

import random
from typing import Any

from grpo.rewards.format import think_answer_format
from grpo.rewards.integer import exact_integer


def shuffled_reward(completions: list[str], answer: list[str], **columns: Any) -> list[float]:
    """exact_integer + 0.1 · think_answer_format, permuted over the whole batch, seeded by the batch itself."""
    right = exact_integer(completions=completions, answer=answer)
    formed = think_answer_format(completions=completions)
    total = [(a or 0.0) + 0.1 * (b or 0.0) for a, b in zip(right, formed, strict=True)]
    random.Random("\n".join(completions)).shuffle(total)
    return total
