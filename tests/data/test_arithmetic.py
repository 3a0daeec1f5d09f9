from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.config.slices import ArithmeticConfig
from grpo.data.arithmetic import (
    chain_of_thought,
    distinct_problems,
    habit,
    held_out_problems,
    parse,
    solve,
    training_problems,
)
from grpo.types import Problem

SMALL = ArithmeticConfig(problems=200, held_out=50)


def prompts(problems: list[Problem]) -> set[str]:
    return {str(problem.prompt) for problem in problems}


def test_golden_problem() -> None:
    steps, result = chain_of_thought("7+5-3+4", ArithmeticConfig(wrong_steps=0.0))
    assert steps == ["7+5=12", "12-3=9", "9+4=13"]
    assert result == solve("7+5-3+4") == 13


def test_operators_go_from_left_to_right() -> None:
    assert solve("2+3*4") == 20
    assert parse("10*2-3") == ([10, 2, 3], ["*", "-"])


def test_held_out_problems_occur_nowhere_else_and_stay_when_training_grows() -> None:
    train, held_out = training_problems(SMALL), held_out_problems(SMALL)
    assert (len(train), len(held_out)) == (200, 50)
    assert len(prompts(train)) == 200 and not prompts(train) & prompts(held_out)
    larger = replace(SMALL, problems=400)
    more = training_problems(larger)
    assert held_out_problems(larger) == held_out and not prompts(more) & prompts(held_out)


def test_defaults_are_four_operands_and_two_operators() -> None:
    train = training_problems(ArithmeticConfig())
    assert all(re.fullmatch(r"\d[+-]\d[+-]\d[+-]\d=", str(problem.prompt)) for problem in train)
    assert distinct_problems(ArithmeticConfig()) == 8**4 * 2**3


def test_same_seed_same_task() -> None:
    assert training_problems(SMALL) == training_problems(SMALL)
    assert training_problems(SMALL) != training_problems(replace(SMALL, seed=1))


def test_share_of_wrong_steps() -> None:
    """2,000 problems of 3 steps at 30 %: within four standard deviations (0.6 points each)."""
    config = ArithmeticConfig(problems=2000, wrong_steps=0.3)
    train, held_out = training_problems(config), held_out_problems(config)
    steps = [step for problem in train for step in str(problem.demonstration).partition("</think>")[0][7:].split(";")]
    wrong = sum(
        solve(step.partition("=")[0].replace("--", "-")) != int(step.partition("=")[2])
        for step in steps
        if step[0] != "-"
    )
    counted = sum(step[0] != "-" for step in steps)
    assert abs(wrong / counted - 0.3) < 4 * (0.3 * 0.7 / counted) ** 0.5
    assert all(problem.demonstration is None for problem in held_out)


def test_no_wrong_steps_means_right_answers() -> None:
    train = training_problems(replace(SMALL, wrong_steps=0.0))
    assert all(str(p.demonstration).endswith(f"<answer>{p.answer}</answer>") for p in train)


@settings(max_examples=50)
@given(
    numbers=st.lists(st.integers(0, 99), min_size=2, max_size=5),
    operators=st.lists(st.sampled_from("+-*"), min_size=4, max_size=4),
    share=st.floats(0, 1),
)
def test_every_chain_is_consistent_with_itself(numbers: list[int], operators: list[str], share: float) -> None:
    text = str(numbers[0]) + "".join(o + str(n) for o, n in zip(operators, numbers[1:], strict=False))
    steps, result = chain_of_thought(text, ArithmeticConfig(wrong_steps=share))
    assert len(steps) == len(numbers) - 1
    carried = str(numbers[0])
    for step in steps:
        assert step.startswith(carried)
        carried = step.rpartition("=")[2]
    assert carried == str(result)


def test_too_few_distinct_problems_is_refused() -> None:
    with pytest.raises(ValueError, match="give only 128 different ones"):
        training_problems(ArithmeticConfig(operands=2, problems=400, held_out=10))


def test_a_step_is_wrong_by_the_same_number_each_time_and_some_more_often_than_right() -> None:
    """Shares go from 0.075 to 0.525 for 0.3, so about 5.6 % of the 576 different steps lie above a half."""
    config = ArithmeticConfig(wrong_steps=1.0)
    results = {chain_of_thought("5+3", config, str(index))[1] for index in range(20)}
    assert results <= {8, 8 + habit(config.seed, "5+3")[1]} and len(results) >= 1
    steps = [f"{total}{op}{number}" for total in range(-14, 22) for op in "+-" for number in range(8)]
    habits = [habit(0, step) for step in steps]
    assert all(0.25 <= weight <= 1.75 and 1 <= abs(slip) <= 9 for weight, slip in habits)
    mistaken = sum(0.3 * weight > 0.5 for weight, _ in habits)
    assert abs(mistaken / len(steps) - 0.0556) < 4 * (0.0556 * 0.9444 / len(steps)) ** 0.5
    assert habit(0, "5+3") == habit(0, "5+3") and len({habit(seed, "5+3") for seed in range(10)}) == 10
