import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.report.series import MOST_POINTS, Series, bounds, smooth, thin, ticks

FINITE = st.floats(-1e6, 1e6)


def series(values, stages=None):
    return Series(
        label="x",
        tone=0,
        steps=tuple(range(1, len(values) + 1)),
        values=tuple(values),
        stages=tuple(stages or ["rl"] * len(values)),
    )


def test_thinning_keeps_the_spike_and_the_order():
    values = [0.0] * 10_000
    values[6_789] = 9.0
    few = thin(series(values))
    assert len(few.values) <= MOST_POINTS
    assert max(few.values) == 9.0
    assert few.steps[few.values.index(9.0)] == 6_790
    assert list(few.steps) == sorted(set(few.steps))


@given(st.lists(FINITE, min_size=1, max_size=1500))
def test_thinning_keeps_both_extremes(values):
    few = thin(series(values), 100)
    assert len(few.values) <= max(100, min(len(values), 100))
    assert (min(few.values), max(few.values)) == (min(values), max(values))


def test_short_curves_are_not_smoothed_and_stages_are_not_mixed():
    assert smooth(series([1.0] * 39)) is None
    even = smooth(series([0.0] * 50 + [10.0] * 50, ["a"] * 50 + ["b"] * 50))
    assert set(even.values) == {0.0, 10.0}


def test_moving_average_by_hand():
    even = smooth(series([float(place) ** 2 for place in range(60)]))
    assert even.values[0] == pytest.approx((0 + 1 + 4) / 3)
    assert even.values[10] == pytest.approx((64 + 81 + 100 + 121 + 144) / 5)


@given(st.lists(FINITE, min_size=40, max_size=1400))
def test_moving_average_stays_within_the_values_and_the_size_bound(values):
    even = smooth(series(values))
    assert len(even.values) <= MOST_POINTS
    slack = 1e-6 * (1 + max(map(abs, values)))
    assert min(values) - slack <= min(even.values) <= max(even.values) <= max(values) + slack


@pytest.mark.parametrize(
    ("low", "high", "most", "wanted"),
    [(0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (1, 223, 6, [50, 100, 150, 200]), (0, 6e-6, 4, [0, 2e-6, 4e-6, 6e-6])],
)
def test_ticks(low, high, most, wanted):
    assert ticks(low, high, most) == pytest.approx(wanted)


@given(FINITE, st.floats(1e-6, 1e6), st.integers(2, 8))
def test_ticks_are_few_and_inside(low, width, most):
    high = low + width
    if not low < high or math.isclose(low, high, rel_tol=1e-9):
        return
    found = ticks(low, high, most)
    assert len(found) <= most + 1
    assert all(low - 1e-6 * width <= value <= high + 1e-6 * width for value in found)


def test_ticks_refuse_an_empty_range():
    with pytest.raises(ValueError, match="low < high"):
        ticks(1, 1, 4)


@given(st.lists(FINITE, min_size=1), st.booleans())
def test_bounds_hold_all_values(values, is_share):
    if is_share:
        values = [abs(value) / 1e6 for value in values]
    low, high = bounds(values, is_share)
    assert low < high
    assert low <= min(values) <= max(values) <= high
