"""The figures of an evaluation, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from grpo.stages.evaluation import Evaluation, evaluation_metrics
from grpo.stages.intervals import bootstrap_interval, share_interval, wilson

FOUND = Evaluation(
    mode="sampled",
    right=((1.0, 1.0, 0.0, 1.0), (0.0, 0.0, 1.0, 0.0)),
    answers=(("5", "5", "1", "5"), ("2", "2", "3", None)),
    second=(1.0, 0.5),
    tokens=80,
)


def test_summary_by_hand() -> None:
    entry = FOUND.summary("rl_eval")
    assert entry["accuracy"] == 0.5 and entry["avg_at_k"] == {"4": 0.5}
    # pass@2 = 1 - C(wrong, 2) / C(4, 2): 1 - 0/6 and 1 - 3/6
    assert entry["pass_at_k"] == {"1": 0.5, "2": 0.75, "4": 1.0}
    # maj@2: (5, 5) right, (1, 5) wrong; (2, 2) wrong, (3, -) right. maj@4: 5 right, 2 wrong
    assert entry["maj_at_k"] == {"1": 0.5, "2": 0.5, "4": 0.5}
    assert entry["accuracy_by_sample"] == [0.5, 0.5, 0.5, 0.5] and entry["std_between_samples"] == 0.0
    assert entry["pass_at_k_ci95"]["4"] == list(wilson(2, 2))  # type: ignore[index]
    assert entry["ci95"] == [0.25, 0.75]  # of two problems a resample has mean 1/4, 1/2 or 3/4


def test_metrics_have_what_several_samples_add() -> None:
    values = evaluation_metrics([FOUND])
    assert values["eval/pass@2"] == 0.75 and values["eval/maj@4"] == 0.5 and values["eval/format"] == 0.75
    one = Evaluation(mode="greedy", right=((1.0,), (0.0,)), answers=(), second=(), tokens=9)
    assert set(evaluation_metrics([one])) == {
        "eval/greedy_accuracy", "eval/greedy_accuracy_low", "eval/greedy_accuracy_high"
    }  # fmt: skip
    assert one.interval == wilson(1, 2) and one.summary("s")["maj_at_k"] == {}


def test_std_between_samples_by_hand() -> None:
    """Accuracies of the two samples: 1 and 0; Bessel's deviation of these is 0.7071."""
    found = Evaluation(mode="sampled", right=((1.0, 0.0), (1.0, 0.0)), answers=(), second=(), tokens=1)
    assert found.accuracy_by_sample == [1.0, 0.0] and found.std_between_samples == pytest.approx(0.70711, abs=1e-5)


def test_bootstrap_agrees_with_the_exact_distribution() -> None:
    """Of n values 0 and 1/2 a resample's mean is half a binomial share: its exact 2.5 and 97.5 % points are known.

    Binomial(40, 1/2) has quantiles 14 and 26 there, so the mean lies between 14/80 and 26/80.
    """
    low, high = bootstrap_interval([0.0] * 20 + [0.5] * 20)
    assert low == pytest.approx(14 / 80, abs=1 / 80) and high == pytest.approx(26 / 80, abs=1 / 80)
    assert (low, high) == bootstrap_interval([0.0] * 20 + [0.5] * 20)


def test_bootstrap_is_near_the_normal_interval_for_many_problems() -> None:
    values = list(np.linspace(0.0, 1.0, 500))
    half = 1.96 * float(np.std(values)) / 500**0.5
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(0.5 - half, abs=0.002) and high == pytest.approx(0.5 + half, abs=0.002)


def test_whole_values_get_wilsons_interval() -> None:
    assert share_interval([1.0, 1.0, 1.0]) == wilson(3, 3) and share_interval([1.0] * 3)[0] < 1.0
