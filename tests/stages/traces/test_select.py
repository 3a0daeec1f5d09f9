"""Shares of the draws, against the probabilities in the docstring."""

from __future__ import annotations

from collections import Counter

import pytest

from grpo.stages.traces.sample import Sample
from grpo.stages.traces.select import choose, solved
from grpo.types import Problem


def problem(name: str, domain: str | None) -> Problem:
    return Problem(id=name, prompt="p", answer="1", columns={} if domain is None else {"domain": domain})


def first_draws(problems: list[Problem], lengths: dict[str, int], times: int = 4000) -> Counter[str]:
    return Counter(choose(problems, lengths, 1, seed, "distill")[0] for seed in range(times))


def test_long_ones_are_preferred_by_halves() -> None:
    problems = [problem(name, None) for name in "abcd"]
    found = first_draws(problems, {"a": 10, "b": 40, "c": 30, "d": 20})
    for name, share in {"b": 1 / 2, "c": 1 / 4, "d": 1 / 8, "a": 1 / 8}.items():
        assert found[name] / 4000 == pytest.approx(share, abs=0.025)  # more than three standard deviations


def test_domains_are_drawn_alike_whatever_their_size() -> None:
    problems = [problem(f"algebra{i}", "algebra") for i in range(9)] + [problem("logic", "logic")]
    found = first_draws(problems, {one.id: 5 for one in problems})
    assert found["logic"] / 4000 == pytest.approx(0.5, abs=0.025)


def test_no_problem_twice_and_an_empty_domain_is_left() -> None:
    problems = [problem("x", "small"), *(problem(f"y{i}", "large") for i in range(5))]
    lengths = {one.id: 1 for one in problems}
    chosen = choose(problems, lengths, 4, 0, "distill")
    assert len(chosen) == len(set(chosen)) == 4
    assert sorted(choose(problems, lengths, 99, 0, "distill")) == sorted(lengths)
    assert chosen == choose(list(reversed(problems)), lengths, 4, 0, "distill")
    assert any(choose(problems, lengths, 4, seed, "distill") != chosen for seed in range(1, 9))
    assert choose([], {}, 3, 0) == []


def answer(name: str, value: float | None) -> Sample:
    """Right with 1; with None it could not be scored."""
    return Sample(
        problem_id=name, index=0, text="t", tokens=1, finish_reason="stop", weight_version=0,
        rewards={} if value is None else {"exact_integer": value}, total=value,
        failure="no answer" if value is None else None,
    )  # fmt: skip


def test_half_of_the_answers_right_is_solved() -> None:
    given = {"all": [1.0] * 4, "half": [1.0, 0.0, 1.0, 0.0], "one": [0.0, 0.0, 1.0, 0.0], "none": [0.0] * 4,
             "failed": [1.0, None, None, None], "near": [0.99] * 4}  # fmt: skip
    answers = [answer(name, value) for name, values in given.items() for value in values]
    assert solved(answers, 4) == {"all", "half"}
    assert (
        solved(answers[:1], 2) == {"all"} and solved(answers[:1], 3) == set()
    )  # answers that are missing are not right


def test_one_answer_decides_alone() -> None:
    assert solved([answer("a", 1.0), answer("b", 0.0), answer("c", None)], 1) == {"a"}
