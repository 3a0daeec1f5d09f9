"""Paired gains between evaluations, by hand."""

from __future__ import annotations

import pytest

from grpo.stages.gains import Answered, gains, problems_digest
from grpo.types import Problem


def answered(stage: str, *right: float, problems: str = "p") -> Answered:
    return Answered(stage=stage, problems=problems, correct={"greedy": right})


def pairs(*evaluations: Answered) -> list[tuple[str, str, bool]]:
    return [(one["from"], one["to"], one["whole"]) for one in gains(evaluations)]


def test_gain_and_interval_by_hand() -> None:
    """Gains 1, 0, 0, 1: mean 1/2, variance 1/3, so the half width is 1.95996 * sqrt(1 / 12) = 0.56579."""
    (found,) = gains([answered("a", 0, 0, 1, 0), answered("b", 1, 0, 1, 1)])
    assert found["gain"] == 0.5 and found["ci95"] == pytest.approx([0.5 - 0.56579, 0.5 + 0.56579], abs=1e-5)
    assert (found["from"], found["to"], found["mode"]) == ("a", "b", "greedy")


def test_two_evaluations_are_compared_once() -> None:
    assert pairs(answered("a", 0, 1)) == []
    assert pairs(answered("a", 0, 1), answered("b", 1, 1)) == [("a", "b", True)]


def test_from_three_on_the_last_is_compared_with_the_first_too() -> None:
    four = [answered(name, place / 3, 0.0) for place, name in enumerate("abcd")]
    assert pairs(*four) == [("a", "b", False), ("b", "c", False), ("c", "d", False), ("a", "d", True)]
    whole = gains(four)[-1]
    assert whole["gain"] == pytest.approx(0.5) and gains(four)[0]["gain"] == pytest.approx(1 / 6)


def test_evaluations_of_other_problems_are_not_compared() -> None:
    """Two data sets after each of two stages: each is compared with itself, whatever stands between."""
    found = pairs(*(answered(f"{data}{n}", 0, 1, problems=data) for n in (1, 2) for data in "xy"))
    assert found == [("x1", "x2", True), ("y1", "y2", True)]
    assert pairs(answered("a", 0, 1, problems="x"), answered("b", 0, 1, problems="y")) == []


def test_a_mode_of_its_own() -> None:
    both = [Answered(stage=name, problems="p", correct={"sampled": (0.5,), "greedy": (1.0,)}) for name in "abc"]
    found = [(one["from"], one["to"], one["mode"]) for one in gains(both)]
    assert len(found) == len(set(found)) == 6 and found[-2:] == [("a", "c", "sampled"), ("a", "c", "greedy")]
    back = [Answered.from_entry("b", dict(sorted(both[1].entry().items()))), both[2]]
    assert [one["mode"] for one in gains(back)] == ["sampled", "greedy"], "whatever the order in the file"


def test_the_file_gives_back_what_was_written() -> None:
    one = answered("a", 0.25, 1.0)
    assert one.entry() == {"problems": "p", "greedy": [0.25, 1.0]}
    assert gains([Answered.from_entry("a", one.entry()), answered("b", 0.75, 1.0)])[0]["gain"] == 0.25


def test_problems_are_told_apart_by_prompt_and_answer() -> None:
    one, other = Problem(id="1", prompt="1+1=", answer="2"), Problem(id="2", prompt="1+1=", answer="3")
    renamed = Problem(id="9", prompt="1+1=", answer="2")
    assert problems_digest([one]) == problems_digest([renamed]) != problems_digest([other])
    assert problems_digest([one, other]) != problems_digest([other, one])
