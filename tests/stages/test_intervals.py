"""Golden values from independent sources: Wilson's interval for 8 of 10 is (0.49016, 0.94332)."""

from __future__ import annotations

import itertools

import pytest

from grpo.stages.intervals import mean_interval, paired_gain, pass_at_k, wilson


def test_wilson_golden() -> None:
    low, high = wilson(8, 10)
    assert low == pytest.approx(0.49016, abs=1e-5)
    assert high == pytest.approx(0.943318, abs=1e-5)


@pytest.mark.parametrize("successes", [0, 10])
def test_wilson_stays_inside(successes: int) -> None:
    low, high = wilson(successes, 10)
    assert 0.0 <= low < high <= 1.0 and high - low == pytest.approx(0.27753, abs=1e-5)


def test_mean_interval_golden() -> None:
    """Values 0, 0, 1, 1: mean 0.5, Bessel std 0.57735, standard error 0.288675."""
    assert mean_interval([0, 0, 1, 1]) == pytest.approx((0.5 - 1.96 * 0.288675, 0.5 + 1.96 * 0.288675), abs=1e-4)


def test_paired_gain_uses_the_pairs() -> None:
    gain, (low, high) = paired_gain([0, 0, 1, 1], [1, 1, 1, 1])
    assert gain == 0.5 and low == pytest.approx(0.5 - 1.96 * 0.288675, abs=1e-4) and high > 0.5
    with pytest.raises(ValueError, match="same problems"):
        paired_gain([1], [1, 0])


@pytest.mark.parametrize(("samples", "right", "k"), [(4, 1, 2), (5, 2, 3), (6, 0, 2), (3, 3, 1), (8, 7, 2)])
def test_pass_at_k_equals_counting_all_subsets(samples: int, right: int, k: int) -> None:
    outcomes = [1] * right + [0] * (samples - right)
    subsets = list(itertools.combinations(outcomes, k))
    assert pass_at_k(samples, right, k) == pytest.approx(sum(any(s) for s in subsets) / len(subsets))
