"""Which groups teach and which are solved, and the step's metrics, by hand."""

from __future__ import annotations

import math

import pytest

from grpo.stages.sampled import SampledGroups, joined, passed_share, rewards_differ
from grpo.stages.scoring import reward_metrics
from grpo.types import Score


def score(total: float | None, *parts: float | None) -> Score:
    return Score(total=total, parts=parts or (total,), error="failed" if total is None else None)


def scores(*totals: float | None) -> list[Score]:
    return [score(total) for total in totals]


@pytest.mark.parametrize(
    ("group", "differ", "share"),
    [
        (scores(1.0, 0.0, 1.0), True, 2 / 3),
        (scores(1.0, 1.0), False, 1.0),
        (scores(0.0, 0.0), False, 0.0),
        (scores(-1.0, 1.0), True, 0.5),
        (scores(None, 1.0, 1.0), False, 1.0),
        (scores(None, 1.0, 0.0), True, 0.5),
        (scores(None, 1.0), False, 1.0),
        (scores(None, None), False, None),
        ([score(1.2, 1.0, 0.2), score(1.0, 1.0, 0.0)], True, 1.0),
        ([score(0.5, None), score(0.5, 0.5)], False, 0.0),
    ],
)
def test_one_group(group: list[Score], differ: bool, share: float | None) -> None:
    assert rewards_differ(group) is differ
    assert passed_share(group) == share


def test_metrics_of_a_step_by_hand() -> None:
    """Six groups: all right, all wrong, mixed, all wrong at -1, one value only, and nothing scored."""
    step = [
        scores(1.0, 1.0),
        scores(0.0, 0.0),
        scores(1.0, 0.0),
        scores(-1.0, -1.0),
        scores(None, 1.0),
        scores(None, None),
    ]
    found = reward_metrics(["exact"], step)
    assert found["reward"] == pytest.approx(2 / 9)
    assert found["reward_std"] == pytest.approx(math.sqrt(0.5) / 4)
    assert found["frac_reward_zero_std"] == 3 / 4
    assert found["reward_errors"] == 3
    assert found["all_zero_ratio"] == 2 / 5
    assert found["all_one_ratio"] == 2 / 5


def test_ratios_are_of_the_first_function() -> None:
    group = [score(0.1, 0.0, 0.1), score(0.0, 0.0, 0.0)]
    found = reward_metrics(["exact", "format"], [group])
    assert (found["all_zero_ratio"], found["all_one_ratio"], found["frac_reward_zero_std"]) == (1.0, 0.0, 0.0)


def test_joined_parts_average_what_was_logged_by_completions() -> None:
    def part(count: int, **logged: float) -> SampledGroups:
        rows = (tuple(scores(*[1.0] * count)),)
        return SampledGroups(problems=(), groups=(), scores=rows, extra=(), logged=logged)

    whole = joined([part(1, time=4.0), part(3, time=8.0, rare=2.0)])
    assert whole.logged == {"time": 7.0, "rare": 2.0}
    assert [len(row) for row in whole.scores] == [1, 3]
