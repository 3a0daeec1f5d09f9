"""The clock of a race: it starts after the first step and stands still while held-out problems are answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from benchmarks.race.course import Course


class Time:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_the_clock_and_the_phases() -> None:
    clock = Time()

    def evaluate(weights: Iterable[Any]) -> dict[str, float]:
        clock.seconds += 50.0
        return {"sampled": float(next(iter(weights))), "greedy": 1.0}

    course = Course(evaluate, at=[1, 3], now=clock)
    course.begin([0.1])
    for step, taken in enumerate((30.0, 2.0, 3.0, 4.0), start=1):
        clock.seconds += taken
        course.step_done({"accuracy": 0.25 * step}, {"update": taken / 2}, [step])
    found = course.found()
    assert [point["seconds"] for point in found["points"]] == [0.0, 2.0, 5.0, 9.0]
    assert [point["accuracy"] for point in found["points"]] == [0.25, 0.5, 0.75, 1.0]
    assert found["phases"] == {"update": pytest.approx(4.5)}  # the first step is no part of them either
    assert [(entry["step"], entry["sampled"]) for entry in found["held_out"]] == [(0, 0.1), (1, 1.0), (3, 3.0)]
