"""Values worked out by hand from the paper's formula."""

from __future__ import annotations

import math
import time

import pytest

from grpo.rewards.shaping.repetition import RepetitionPenalty


def test_by_hand() -> None:
    # 2-grams of 1 2 1 2 1: 12 21 12 21, two distinct of four; of five fives: one distinct of four.
    ids = [[1, 2, 1, 2, 1], [5, 5, 5, 5, 5], [1, 2, 3, 4, 5], [7], []]
    assert RepetitionPenalty(ngram_tokens=2)(completion_ids=ids) == [-0.5, -0.75, 0.0, 0.0, 0.0]
    assert RepetitionPenalty(ngram_tokens=2, max_penalty=-0.1)(ids)[1] == pytest.approx(-0.075)
    assert RepetitionPenalty(ngram_tokens=1)([[3, 3, 3, 4]]) == [-0.5]


@pytest.mark.parametrize("settings", [{"ngram_tokens": 0}, {"max_penalty": 0.1}, {"max_penalty": math.nan}])
def test_refuses(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        RepetitionPenalty(**settings)  # type: ignore[arg-type]


def test_a_million_tokens_take_less_than_a_second() -> None:
    ids = [[(i * i) % 977 for i in range(1_000_000)]]
    start = time.process_time()
    assert -1.0 < RepetitionPenalty()(ids)[0] < -0.99
    assert time.process_time() - start < 1.0
