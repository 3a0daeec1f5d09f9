"""Turns of problems by hand-computed weights; nothing starves; a resumed curriculum goes on as if unbroken."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.config.algorithm import SelectionConfig
from grpo.data.curriculum import Curriculum
from grpo.data.cursor import ProblemCursor
from grpo.data.pass_rates import PassRates
from grpo.run.state import PartState
from grpo.types import Problem

KEYS = (3, "rl1")


def problems(count: int) -> list[Problem]:
    return [Problem(id=f"train/{n}", prompt="p", answer="1") for n in range(count)]


def curriculum(count: int, at_once: int = 1, **knobs: Any) -> Curriculum:
    return Curriculum(problems(count), KEYS, SelectionConfig(**knobs), at_once)


def ids(taken: list[Problem]) -> list[str]:
    return [problem.id for problem in taken]


def through_a_file(state: PartState) -> PartState:
    return PartState(tensors=dict(state.tensors), values=json.loads(json.dumps(dict(state.values))))


def weighted(least_epochs: int, rates: list[float]) -> list[list[str]]:
    """The problems of each epoch, each problem always solved at its rate."""
    made = curriculum(len(rates), curriculum="pass_rate")
    epochs: list[list[str]] = []
    while len(epochs) <= least_epochs:
        (problem,) = made.take(1)
        epoch = int(made.state().values["epoch"])
        epochs += [[] for _ in range(epoch + 1 - len(epochs))]
        epochs[epoch].append(problem.id)
        made.observe(problem, rates[int(problem.id.partition("/")[2])])
    return epochs[:least_epochs]


@given(count=st.integers(1, 9), sizes=st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_uniform_is_the_order_of_the_cursor(count: int, sizes: list[int]) -> None:
    made, cursor = curriculum(count), ProblemCursor(problems(count), KEYS)
    for size in sizes:
        taken = made.take(size)
        assert ids(taken) == ids(cursor.take(size))
        for problem in taken:
            made.observe(problem, 1.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_nothing_comes_twice_in_an_epoch_and_nothing_starves(rates: list[float]) -> None:
    epochs = weighted(13, rates)
    assert max(Counter((e, name) for e, names in enumerate(epochs) for name in names).values()) == 1
    turns = defaultdict(list)
    for epoch, names in enumerate(epochs):
        for name in names:
            turns[name].append(epoch)
    for name in (f"train/{n}" for n in range(len(rates))):
        assert turns[name][0] == 0
        assert max(b - a for a, b in zip(turns[name], [*turns[name][1:], 13], strict=True)) <= 4


def test_turns_follow_the_weights() -> None:
    """1/w epochs: 1 at 0.5, 4 at 0 and 1; at 0.9 w = 0.25 + 0.75 * 0.36 = 0.52, at 0.75 w = 0.25 + 0.75 * 0.75."""
    counts = Counter(name for names in weighted(400, [0.5, 0.0, 1.0, 0.9, 0.75]) for name in names)
    assert counts["train/0"] == 400 and counts["train/1"] == counts["train/2"] == 100
    assert counts["train/3"] == pytest.approx(400 * 0.52, rel=0.08)
    assert counts["train/4"] == pytest.approx(400 * 0.8125, rel=0.08)


def test_running_pass_rate_halves_what_is_old() -> None:
    rates = PassRates(KEYS, weighted=True, retire_above=1.0, most_retired=5)
    for passed, running in ((1.0, 1.0), (0.0, 0.5), (0.25, 0.375), (1.0, 0.6875)):
        rates.observe(4, 0, passed)
        assert rates.mean == running


@pytest.mark.parametrize("order", ["uniform", "pass_rate"])
def test_a_retired_problem_never_comes_again(order: str) -> None:
    made = curriculum(6, at_once=2, retire_above=0.9, curriculum=order)
    solved = {"train/1": 1.0, "train/4": 0.9, "train/5": 0.89}
    for problem in made.take(6):
        made.observe(problem, solved.get(problem.id, 0.5))
    assert made.metrics() == {"selection/pass_rate": pytest.approx((1.5 + 2.79) / 6), "selection/retired": 2 / 6}
    later = [problem for _ in range(40) for problem in made.take(1)]
    assert set(ids(later)) == {"train/0", "train/2", "train/3", "train/5"}


def test_as_many_problems_stay_as_are_sampled_at_once() -> None:
    made = curriculum(5, at_once=3, retire_above=0.5)
    for problem in made.take(5):
        made.observe(problem, 1.0)
    assert made.metrics()["selection/retired"] == 2 / 5
    for _ in range(9):
        taken = made.take(3)
        assert len(set(ids(taken))) == 3
        for problem in taken:
            made.observe(problem, 1.0)


def test_without_a_watched_pass_rate_nothing_is_kept() -> None:
    made = curriculum(4)
    for problem in made.take(4):
        made.observe(problem, 1.0)
    assert made.metrics() == {} and dict(made.state().tensors) == {}


def test_what_is_put_back_comes_first_and_keeps_its_place() -> None:
    made, unbroken = curriculum(8, curriculum="pass_rate"), ProblemCursor(problems(8), KEYS)
    order = ids(unbroken.take(8))
    first = made.take(5)
    made.put_back([first[1], first[4]])
    for place in (0, 2, 3):
        made.observe(first[place], 0.5)
    second = made.take(4)
    assert ids(second) == [order[1], order[4], order[5], order[6]]
    made.put_back(second[1:])
    made.put_back([])
    assert ids(made.take(2)) == [order[4], order[5]]


def test_the_epochs_count_from_the_one_a_problem_was_drawn_in() -> None:
    """Never solved, it comes every fourth epoch, however often it was put back."""
    made = curriculum(1, curriculum="pass_rate")
    for epoch in (0, 4, 8):
        for _ in range(3):
            made.put_back(made.take(1))
        (problem,) = made.take(1)
        made.observe(problem, 0.0)
        assert made.state().values["epoch"] == epoch
        assert made.state().tensors["next_epoch"].tolist() == [epoch + 4]


def test_a_group_without_scores_says_nothing() -> None:
    made = curriculum(2, curriculum="pass_rate")
    for problem in made.take(2):
        made.observe(problem, None)
    assert dict(made.state().tensors) == {}
    assert sorted(ids(made.take(2))) == ["train/0", "train/1"]


@given(
    count=st.integers(2, 9),
    at_once=st.integers(1, 6),
    before=st.integers(0, 12),
    after=st.integers(1, 12),
    passes=st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.95, 1.0]), min_size=1, max_size=7),
)
def test_resume_goes_on_as_if_unbroken(count: int, at_once: int, before: int, after: int, passes: list[float]) -> None:
    def steps(made: Curriculum, start: int, stop: int) -> list[list[str]]:
        seen = []
        for step in range(start, stop):
            taken = made.take(at_once)
            stopped = [problem for place, problem in enumerate(taken) if place and (step + place) % 3 == 0]
            made.put_back(stopped)
            for place, problem in enumerate(taken):
                if problem not in stopped:
                    made.observe(problem, passes[(step + 2 * place) % len(passes)])
            seen.append(ids(taken))
        return seen

    knobs = {"curriculum": "pass_rate", "retire_above": 0.9}
    unbroken = curriculum(count, at_once, **knobs)
    steps(unbroken, 0, before)
    resumed = curriculum(count, at_once, **knobs)
    resumed.load_state(through_a_file(unbroken.state()))
    assert steps(resumed, before, before + after) == steps(unbroken, before, before + after)
    one, other = resumed.state(), unbroken.state()
    assert one.values == other.values and one.tensors.keys() == other.tensors.keys()
    assert all(tensor.equal(other.tensors[name]) for name, tensor in one.tensors.items())
    assert repr(resumed.metrics()) == repr(unbroken.metrics())


def test_the_state_of_other_problems_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to other problems than these 3"):
        curriculum(3).load_state(curriculum(2).state())
