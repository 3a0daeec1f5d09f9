"""Cost per point and per right answer, by hand."""

from __future__ import annotations

import pytest

from grpo.cost.results import per_answer, per_point
from grpo.cost.usage import Usage

PIPELINE = ["before", "cold", "warm", "rl", "after"]
USED = {
    name: Usage(device_hours=hours, amount=2 * hours)
    for name, hours in {"before": 1.0, "cold": 4.0, "warm": 1.0, "rl": 10.0, "after": 0.5}.items()
}
LOADED = Usage(device_hours=100.0, amount=None)


def test_a_point_costs_the_stages_between_its_evaluations() -> None:
    gain = {"from": "warm", "to": "after", "mode": "greedy", "gain": 0.2, "ci95": [0.1, 0.3]}
    (found,) = per_point([gain], USED, PIPELINE, LOADED)
    assert found["points"] == pytest.approx(20.0) and found["ci95"] == [0.1, 0.3]
    assert found["device_hours"] == pytest.approx(0.5) and found["amount"] == pytest.approx(1.0)
    assert found["loaded_device_hours"] == pytest.approx(5.0) and found["loaded_amount"] is None


@pytest.mark.parametrize("gain", [0.0, -0.1])
def test_no_gain_has_no_price(gain: float) -> None:
    (found,) = per_point([{"from": "before", "to": "after", "mode": "m", "gain": gain}], USED, PIPELINE, LOADED)
    assert found["device_hours"] is None and found["amount"] is None and found["loaded_device_hours"] is None


def test_a_right_answer_costs_its_evaluation() -> None:
    """0.25 of 8 problems x 4 samples are 8 right answers, 0.5 of 8 x 1 are 4: 12 for 0.5 h."""
    entries = [
        {"stage": "after", "accuracy": 0.25, "n": 8, "samples_per_problem": 4},
        {"stage": "after", "accuracy": 0.5, "n": 8, "samples_per_problem": 1},
        {"stage": "before", "accuracy": 0.0, "n": 8, "samples_per_problem": 1},
    ]
    after, before = per_answer(entries, USED)
    assert after["right_answers"] == 12 and after["device_hours"] == pytest.approx(0.5 / 12)
    assert after["amount"] == pytest.approx(1.0 / 12)
    assert before["right_answers"] == 0 and before["device_hours"] is None


def test_everything_between_is_paid_for() -> None:
    """0.5 gained, from before to after: 4 h cold start, 1 h evaluation and 10 h reinforcement over 50 points."""
    gain = {"from": "before", "to": "after", "mode": "greedy", "gain": 0.5, "ci95": [0.4, 0.6], "whole": True}
    (found,) = per_point([gain], USED, PIPELINE, LOADED)
    assert found["whole"] is True and found["stages"] == ["cold", "warm", "rl"]
    assert found["device_hours"] == pytest.approx(15 / 50) and found["amount"] == pytest.approx(30 / 50)
    assert found["loaded_device_hours"] == pytest.approx(2.0)
