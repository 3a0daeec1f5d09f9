"""The estimate against real runs in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.memory_estimate import BOUND, compare, measure
from benchmarks.memory_shapes import SHAPES, Shape, reinforce, scratch

SMALL = Shape(
    name="small",
    held_out=True,
    overrides=(*scratch(256, 768, 4, 4), *reinforce(4, 8, 32, 1024, "pipeline=[rl,export]")),
)


def ratio(shape: Shape, place: Path) -> float:
    found = compare(shape, measure(shape, place), place)
    assert found["measured_peak"].split()[0] == found["estimated_peak"].split()[0]
    return float(found["ratio"])


def test_a_small_run_stays_near_its_estimate(tmp_path: Path) -> None:
    """A quarter: what libraries take at first use weighs in a run of a hundred mebibytes."""
    assert ratio(SMALL, tmp_path) == pytest.approx(1.0, abs=0.25)


@pytest.mark.slow
def test_a_run_that_set_no_constant_meets_the_bound(tmp_path: Path) -> None:
    shape = next(shape for shape in SHAPES if shape.name == "held_out_two_stages_kl")
    assert ratio(shape, tmp_path) == pytest.approx(1.0, abs=BOUND)
