"""Versions count rollout steps; staleness counts optimizer steps."""

from __future__ import annotations

import pytest

from grpo.types import Completion, Group, Prompt
from grpo.update.experience import experience_from
from grpo.update.staleness import StalenessBound, without_stale

#       sampled by, learnt from at, optimizer steps a rollout → staleness at the last of them
AGES = [
    (5, 5, 1, 0),  # on-policy
    (0, 0, 16, 15),  # R1: 8,192 samples in 16 updates, the last 15 updates old
    (4, 5, 1, 1),
    (4, 5, 2, 3),  # two steps with the rollout before, then one more
    (2, 5, 4, 15),
]


@pytest.mark.parametrize(("version", "now", "steps", "age"), AGES)
def test_age_by_hand(version: int, now: int, steps: int, age: int) -> None:
    assert StalenessBound(most=0, optimizer_steps=steps).age(version, now) == age


def test_age_counted_step_by_step() -> None:
    """A loop that takes optimizer steps one by one: each rollout's weights are those of when it began."""
    steps, done, at = 3, 0, {}
    for version in range(6):
        at[version] = done
        for old in range(version + 1):
            last = done + steps - 1  # optimizer steps taken before the last one of this rollout step
            assert StalenessBound(most=0, optimizer_steps=steps).age(old, version) == last - at[old]
        done += steps


def group(name: str, *versions: int) -> Group:
    return Group(
        prompt=Prompt(problem_id=name, token_ids=(1,), seed=0),
        completions=tuple(
            Completion(token_ids=(2,), logprobs=(-1.0,), finish_reason="stop", weight_version=v) for v in versions
        ),
    )


def test_older_completions_are_left_out_and_counted() -> None:
    groups = [group("a", 9, 8, 7), group("b", 7, 9)]
    bound = StalenessBound(most=3, optimizer_steps=2)  # versions 9 and 8 are 1 and 3 steps old, version 7 is 5
    kept, metrics = without_stale(groups, [[1.0, 0.5, -1.5], [1.0, None]], 9, bound)
    assert kept == [[1.0, 0.5, None], [None, None]]
    assert metrics == {"staleness/max": 5.0, "staleness/dropped": 2.0}
    [tree] = experience_from(groups, kept)
    assert [branch.index for branch in tree.branches] == [0, 1]


def test_weights_of_now_are_never_left_out() -> None:
    bound = StalenessBound(most=0, optimizer_steps=1)
    assert without_stale([group("a", 3, 3)], [[1.0, -1.0]], 3, bound) == (
        [[1.0, -1.0]],
        {"staleness/max": 0.0, "staleness/dropped": 0.0},
    )
    assert without_stale([], [], 3, bound) == ([], {"staleness/max": 0.0, "staleness/dropped": 0.0})
    with pytest.raises(AssertionError):
        bound.age(4, 3)
