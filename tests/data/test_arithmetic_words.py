"""The embedded task in words: texts by hand, shares, and problems that stay apart."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

import pytest

from grpo.config.load import load_config
from grpo.config.slices import ArithmeticConfig
from grpo.data.arithmetic import held_out_problems, solve, step_languages, training_problems
from grpo.data.arithmetic_words import WORDINGS, in_words
from grpo.types import Problem
from tests.config.helpers import refusal
from tests.data.test_number_words import read_chinese, read_english

WORDS = ArithmeticConfig(operands=3, problems=1500, held_out=100, languages=["en", "zh"], mixed_steps=0.4)


def rows(config: ArithmeticConfig) -> str:
    """A hash of every row."""
    problems = [*held_out_problems(config), *training_problems(config)]
    lines = [f"{p.id} {p.prompt} {p.answer} {p.demonstration} {dict(p.columns)}" for p in problems]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_task_in_digits_is_what_it_was() -> None:
    """Hashes of the rows before there were words."""
    small = ArithmeticConfig(problems=200, held_out=50)
    assert rows(small) == "a2a7e507763dd4a30b72841303dcf01eeee6c262a81df9c8554421c59ca7f6ce"
    other = replace(small, operators="+-*", operands=3, largest_operand=30, seed=3)
    assert rows(other) == "8061e384a278629d0d2621ed9792bddc6c6d5973fbfc5a8cecf47db24e34e889"


def test_texts_by_hand() -> None:
    assert WORDINGS["en"].asked([7, 5, 30], ["+", "-"]) == "What is seven plus five minus thirty?"
    assert WORDINGS["zh"].asked([7, 5, 30], ["+", "*"]) == "七加五乘三十等于多少？"
    steps = [(7, "+", 5, 12), (12, "-", 35, -23), (-23, "*", 2, -46)]
    assert in_words(["en", "en", "zh"], steps) == (
        "seven plus five is twelve; twelve minus thirty-five is minus twenty-three；负二十三乘二等于负四十六"
    )
    assert in_words(["zh", "zh", "en"], steps) == (
        "七加五等于十二；十二减三十五等于负二十三; minus twenty-three times two is minus forty-six"
    )


def back_in_digits(problem: Problem) -> str:
    """The prompt's sum in digits, by the readers of the number words."""
    text = str(problem.prompt)
    if problem.columns["language"] == "en":
        read, pattern = read_english, " (plus|minus|times) "
        body = text.removeprefix("What is ").removesuffix("?")
    else:
        read, pattern, body = read_chinese, "([加减乘])", text.removesuffix("等于多少？")
    signs = {"plus": "+", "minus": "-", "times": "*", "加": "+", "减": "-", "乘": "*"}
    return "".join(signs.get(part) or str(read(part)) for part in re.split(pattern, body))


def test_rows_ask_for_the_answer_they_hold() -> None:
    train, held_out = training_problems(WORDS), held_out_problems(WORDS)
    assert [str(solve(back_in_digits(p))) for p in [*train, *held_out]] == [p.answer for p in [*train, *held_out]]
    share = sum(p.columns["language"] == "zh" for p in train) / len(train)
    assert abs(share - 0.5) < 4 * (0.25 / len(train)) ** 0.5


def test_held_out_sums_are_in_no_language_of_the_training_problems() -> None:
    train, held_out = training_problems(WORDS), held_out_problems(WORDS)
    assert not {back_in_digits(p) for p in train} & {back_in_digits(p) for p in held_out}
    assert all(p.demonstration is None for p in held_out)
    assert held_out_problems(replace(WORDS, problems=1700)) == held_out


def test_words_leave_sums_and_mistakes_as_they_are_in_digits() -> None:
    digits = training_problems(replace(WORDS, languages=[], mixed_steps=0.0))
    words = training_problems(WORDS)
    assert [f"{back_in_digits(p)}=" for p in words] == [p.prompt for p in digits]
    answers = [[str(p.demonstration).partition("<answer>")[2] for p in side] for side in (words, digits)]
    assert answers[0] == answers[1]


def test_share_of_steps_in_the_other_language() -> None:
    """3,000 steps at 40 %: within four standard deviations (0.9 points each); without mixing there are none."""
    train = training_problems(WORDS)
    mixed = count = 0
    for problem in train:
        reasoning = str(problem.demonstration).removeprefix("<think>").partition("</think>")[0]
        steps = re.split("; |；", reasoning)
        count += len(steps)
        mixed += sum(step.isascii() != (problem.columns["language"] == "en") for step in steps)
    assert count == 3000 and abs(mixed / count - 0.4) < 4 * (0.24 / count) ** 0.5
    assert step_languages("zh", 5, replace(WORDS, mixed_steps=0.0), "a") == ["zh"] * 5
    assert step_languages("zh", 5, replace(WORDS, mixed_steps=1.0), "a") == ["en"] * 5


def test_same_seed_same_rows() -> None:
    assert rows(WORDS) == rows(WORDS) != rows(replace(WORDS, seed=1))
    assert rows(replace(WORDS, languages=["zh"], mixed_steps=0.0)) != rows(WORDS)


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["data.arithmetic.languages=[en,fr]"], "fr: valid are en, zh"),
        (["data.arithmetic.languages=[en,en]"], "valid is each language once"),
        (["data.arithmetic.languages=[en]", "data.arithmetic.mixed_steps=0.3"], "there is no other language"),
        (["data.arithmetic.mixed_steps=1.5"], "valid is from 0 to 1"),
    ],
)
def test_settings_that_cannot_be(overrides: list[str], text: str) -> None:
    assert text in refusal(*overrides)


def test_the_knobs_are_off_by_default() -> None:
    task = load_config([]).data.arithmetic
    assert (task.languages, task.mixed_steps) == ([], 0.0)
