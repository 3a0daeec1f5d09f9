"""Turns are fair, counted, and stop at the deadline."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial

from benchmarks.timing import balanced, interleaved, seconds_of, summary


def test_everyone_takes_every_place_equally_often() -> None:
    names = ["a", "b", "c", "d"]
    orders = list(balanced(names, 8))
    assert all(sorted(order) == names for order in orders)
    for place in range(4):
        assert Counter(order[place] for order in orders) == dict.fromkeys(names, 2)
    assert orders[0] == names and orders[1] != orders[0]


def test_each_rival_gets_its_repeats_and_the_figures_are_its_own() -> None:
    log: list[str] = []

    def turn(name: str, value: float) -> float:
        log.append(name)
        return value

    seconds = interleaved(
        {"fast": partial(turn, "fast", 1.0), "slow": partial(turn, "slow", 9.0)}, {"fast": 3, "slow": 1}
    )
    assert seconds == {"fast": [1.0, 1.0, 1.0], "slow": [9.0]}
    assert sorted(log[:2]) == ["fast", "slow"] and log[2:] == ["fast", "fast"]


def test_past_the_deadline_only_the_first_round_is_run() -> None:
    seconds = interleaved({"a": lambda: 1.0}, {"a": 5}, deadline=time.monotonic() - 1)
    assert seconds == {"a": [1.0]}


def test_a_median_and_its_extremes() -> None:
    found = summary([4.0, 1.0, 2.0, 2.5])
    assert (found["median"], found["least"], found["most"], found["repeats"]) == (2.25, 1.0, 4.0, 4)
    assert found["all"] == [4.0, 1.0, 2.0, 2.5]


def test_seconds_are_wall_time() -> None:
    assert 0.02 <= seconds_of(lambda: time.sleep(0.02)) < 0.5
