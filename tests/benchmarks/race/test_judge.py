"""When ours is as good as TRL in the end: by hand, on curves of a few steps."""

from __future__ import annotations

import pytest

from benchmarks.race.judge import best_rate, last_accuracy, race, reached, seconds_a_step, verdict


def points(accuracy: list[float], seconds: float) -> list[dict[str, float]]:
    """One step every `seconds`; the clock starts at the end of the first."""
    return [{"step": i + 1, "seconds": i * seconds, "accuracy": value} for i, value in enumerate(accuracy)]


TRL = points([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.6, 0.6], 2.0)


def test_the_last_five_steps_of_the_budget() -> None:
    assert last_accuracy(TRL, 10) == pytest.approx((0.5 + 4 * 0.6) / 5)
    assert last_accuracy(TRL, 6) == pytest.approx(0.3)  # steps 2 to 6: what lies beyond the budget is not in it


def test_reached_needs_a_whole_window() -> None:
    """A first step of 0.9 is no reason to stop: five steps have to be that good on average."""
    curve = points([0.9, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5], 1.0)
    assert reached(curve, 0.4) == {"step": 9, "seconds": 8.0, "accuracy": 0.5}  # mean of steps 5 to 9: 0.4
    assert reached(curve, 0.51) is None


def test_the_ratio_is_of_all_of_trls_seconds() -> None:
    """TRL ends at 18 s with a mean of 0.58. Ours takes 1 s a step and has 0.58 over steps 4 to 8, so after 7 s."""
    ours = points([0.3, 0.4, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], 1.0)
    found = race(ours, TRL, 10)
    assert found["target"] == pytest.approx(0.58) and found["trl_seconds"] == 18.0
    assert found["reached_step"] == 8 and found["reached_seconds"] == 7.0
    assert found["ratio"] == pytest.approx(7 / 18) and found["ratio_to_reached"] == pytest.approx(7 / 18)
    assert found["budget_ratio"] == pytest.approx(9 / 18) and found["ours_last"] == pytest.approx(0.6)


def test_steps_beyond_the_budget_count_for_reaching_alone() -> None:
    ours = points([0.1] * 10 + [0.6] * 5, 1.0)
    found = race(ours, TRL, 10)
    assert found["reached_step"] == 15 and found["ratio"] == pytest.approx(14 / 18)
    assert found["ours_last"] == pytest.approx(0.1) and found["ours_budget_seconds"] == 9.0
    never = race(points([0.1] * 12, 1.0), TRL, 10)
    assert never["ratio"] is None and never["ratio_to_reached"] is None and never["reached_step"] is None


def test_the_median_and_seeds_that_never_get_there() -> None:
    def of(*ratios: float | None) -> dict[str, dict[str, float | None]]:
        return {str(seed): {"ratio": ratio} for seed, ratio in enumerate(ratios)}

    assert verdict(of(0.9, 0.3, 0.6))["median_ratio"] == 0.6 and verdict(of(0.9, 0.3, 0.6))["met"]
    assert verdict(of(0.3, None, 0.4))["median_ratio"] == 0.4
    missed = verdict(of(None, 0.2, None))
    assert missed["median_ratio"] is None and not missed["met"]
    assert not verdict(of(0.61, 0.61, 0.2))["met"] and not verdict({})["met"]


def test_the_best_learning_rate() -> None:
    runs = {
        lr: {"held_out": [{"sampled": 0.9}, {"sampled": value}]}
        for lr, value in ((1e-4, 0.5), (2e-5, 0.5), (5e-5, 0.4))
    }
    assert best_rate(runs) == 2e-5  # the last evaluation decides, and of equals the smaller rate
    runs[5e-5]["held_out"][-1]["sampled"] = 0.51
    assert best_rate(runs) == 5e-5


def test_seconds_a_step_leaves_the_first_out() -> None:
    assert seconds_a_step(TRL) == 2.0
