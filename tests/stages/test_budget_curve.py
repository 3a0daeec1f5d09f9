"""s1's measures, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grpo.stages.budget_curve import Point, comparison, curve, doublings, extensions, scaling, summary


def point(budget: int, correct: tuple[float, ...], thinking: tuple[int, ...], waits: int = 0) -> Point:
    return Point(budget=budget, waits=waits, correct=correct, thinking=thinking, forced=1, waited=waits)


LOW = point(8, (0.0, 0.0, 0.0, 1.0), (8, 8, 6, 6))
MIDDLE = point(16, (0.0, 1.0, 0.0, 1.0), (16, 12, 10, 10))
HIGH = point(40, (1.0, 1.0, 0.0, 1.0), (41, 12, 10, 9))


def test_scaling_by_hand() -> None:
    """Tokens 7, 12, 18 and accuracies 25, 50, 75: slopes 25/5, 25/6, 50/11, of which the mean is 4.5707."""
    assert [one.tokens for one in (LOW, MIDDLE, HIGH)] == [7, 12, 18]
    assert scaling([LOW, MIDDLE, HIGH]) == pytest.approx(1000 * 4.570707, abs=1e-2)
    assert scaling([LOW]) is None and scaling([LOW, LOW]) is None


def test_points_that_all_but_coincide_have_no_slope() -> None:
    """18 and 18.25 tokens: the 25 points between them would be 100,000 a thousand tokens; the others are as by hand."""
    beside = point(80, (1.0,) * 4, (42, 12, 10, 9))
    assert (beside.tokens, beside.accuracy) == (18.25, 1.0)
    slopes = [25 / 5, 50 / 11, 25 / 6, 75 / 11.25, 50 / 6.25]
    assert scaling([LOW, MIDDLE, HIGH, beside]) == pytest.approx(1000 * sum(slopes) / 5)
    assert scaling([HIGH, beside]) is None


def test_control_and_performance() -> None:
    """Three points of four completions, of which one exceeds its budget by a token."""
    found = curve([LOW, MIDDLE, HIGH])
    assert found["control"] == pytest.approx(11 / 12) and found["performance"] == 0.75 and found["waits"] == 0


def test_doublings_are_paired_and_judged() -> None:
    low = point(8, (0.0,) * 20 + (1.0,) * 10, (8,) * 30)
    more = [point(16, (1.0,) * 30, (16,) * 30), low, point(9, (1.0,) * 30, (9,) * 30)]
    (one,) = doublings(more)
    assert one["from"] == {"budget": 8, "waits": 0} and one["to"] == {"budget": 16, "waits": 0}
    assert one["gain"] == pytest.approx(2 / 3) and one["measurable"] is True
    assert comparison(LOW, MIDDLE)["measurable"] is False  # 1 of 4 problems: -24 to +74 points
    worse = comparison(more[0], more[1])
    assert worse["gain"] == pytest.approx(-2 / 3) and worse["measurable"] is True
    assert comparison(LOW, LOW)["ci95"] == [0.0, 0.0] and comparison(LOW, LOW)["measurable"] is False


def test_what_no_wait_changed_is_not_compared_again() -> None:
    again = [point(8, LOW.correct, LOW.thinking), point(16, MIDDLE.correct, MIDDLE.thinking)]
    with_waits = [replace(one, waits=1) for one in again]
    assert [one["to"] for one in doublings(again + with_waits)] == [{"budget": 16, "waits": 0}]
    waited = [with_waits[0], replace(with_waits[1], waited=2)]
    assert [one["to"] for one in doublings(again + waited)] == [{"budget": 16, "waits": w} for w in (0, 1)]


def test_waits_are_compared_at_the_largest_budget() -> None:
    points = [LOW, HIGH, point(8, LOW.correct, LOW.thinking, 1), point(40, LOW.correct, HIGH.thinking, 1)]
    (one,) = extensions(points)
    assert one["from"] == {"budget": 40, "waits": 0} and one["to"] == {"budget": 40, "waits": 1}
    assert one["gain"] == pytest.approx(-0.5)
    found = summary(points)
    assert [entry["waits"] for entry in found["curves"]] == [0, 1] and len(found["points"]) == 4  # type: ignore[attr-defined, arg-type]
