"""Means and intervals by hand."""

from __future__ import annotations

from typing import Any

import pytest

from grpo.stages.reward_means import reward_means, reward_metrics
from grpo.types import Score


def score(*parts: float | None) -> Score:
    return Score(total=0.0, parts=parts)


def test_means_over_problems_with_their_interval() -> None:
    """Problem means 1, 0.5 and 0. Of the 27 draws of three with replacement one has mean 0 and one mean 1, 3.7 % each:
    a 95 % interval by bootstrap reaches both ends, and no further."""
    scores = [[score(1.0, 1.0), score(0.0, 1.0)], [score(1.0, 1.0), score(1.0, 0.0)], [score(1.0, 0.0)]]
    [found] = reward_means(["accuracy", "language"], scores)
    assert (found.name, found.values) == ("language", (1.0, 0.5, 0.0))
    entry: dict[str, Any] = found.summary()
    assert (entry["mean"], entry["n"]) == (0.5, 3)
    assert entry["ci95"] == pytest.approx([0.0, 1.0])
    assert reward_metrics([found]) == {
        "eval/rewards/language": 0.5,
        "eval/rewards/language_low": entry["ci95"][0],
        "eval/rewards/language_high": entry["ci95"][1],
    }


def test_shares_that_are_all_one_have_a_lower_end() -> None:
    """Wilson's for 3 of 3: 3 / (3 + 1.95996²) = 0.438503."""
    [found] = reward_means(["accuracy", "language"], [[score(1.0, 1.0)]] * 3)
    assert found.summary()["ci95"] == pytest.approx([0.438503, 1.0], abs=1e-5)


def test_values_that_are_none_are_left_out() -> None:
    scores = [[score(1.0, None, 0.25), score(1.0, 0.5, 0.75)], [score(1.0, None, 1.0)]]
    second, third = reward_means(["a", "b", "c"], scores)
    assert second.values == (0.5,) and third.values == (0.5, 1.0)
    assert reward_means(["a", "b"], [[score(1.0, None)]]) == ()


def test_a_single_function_has_no_others() -> None:
    assert reward_means(["a"], [[score(1.0)]]) == () and reward_metrics(()) == {}
