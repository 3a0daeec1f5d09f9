"""Means and intervals by hand."""

from __future__ import annotations

import pytest

from grpo.stages.reward_means import reward_means, reward_metrics
from grpo.types import Score


def score(*parts: float | None) -> Score:
    return Score(total=0.0, parts=parts)


def test_means_over_problems_with_their_interval() -> None:
    """Problem means 1, 0.5 and 0: mean 0.5, deviation 0.5, so ± 1.95996 · 0.5 / √3 = 0.565800."""
    scores = [[score(1.0, 1.0), score(0.0, 1.0)], [score(1.0, 1.0), score(1.0, 0.0)], [score(1.0, 0.0)]]
    [found] = reward_means(["accuracy", "language"], scores)
    assert (found.name, found.values) == ("language", (1.0, 0.5, 0.0))
    entry = found.summary()
    assert (entry["mean"], entry["n"]) == (0.5, 3)
    assert entry["ci95"] == pytest.approx([-0.065800, 1.065800], abs=1e-5)
    assert reward_metrics([found]) == {"eval/rewards/language": 0.5}


def test_values_that_are_none_are_left_out() -> None:
    scores = [[score(1.0, None, 0.25), score(1.0, 0.5, 0.75)], [score(1.0, None, 1.0)]]
    second, third = reward_means(["a", "b", "c"], scores)
    assert second.values == (0.5,) and third.values == (0.5, 1.0)
    assert reward_means(["a", "b"], [[score(1.0, None)]]) == ()


def test_a_single_function_has_no_others() -> None:
    assert reward_means(["a"], [[score(1.0)]]) == () and reward_metrics(()) == {}
