"""Demonstrations that wait and calculate again: texts by hand, shares, and rows that stay what they were without."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from grpo.config.estimate.parts import demonstration_tokens
from grpo.config.load import load_config
from grpo.config.schema import BudgetConfig
from grpo.config.slices import ArithmeticConfig
from grpo.config.waits import MOST_WAITS, WAIT_TEXT
from grpo.data import arithmetic
from grpo.data.arithmetic import held_out_problems, reconsidered, training_problems
from grpo.types import Problem
from tests.config.helpers import refusal

WAITING = ArithmeticConfig(problems=4000, held_out=100, reconsidered=0.4)
CURVE = ["+stage@stages.curve=budget", "pipeline=[cold_start,curve]", "stages.curve.model_from=cold_start"]


def calculations(problem: Problem) -> list[str]:
    """What stands between the waits of a demonstration."""
    return str(problem.demonstration).removeprefix("<think>").partition("</think>")[0].split("Wait")


def wrong(calculation: str) -> bool:
    """Whether a step such as `-3-4=-7` misses, read here by Python's own arithmetic on three numbers."""
    steps = [re.fullmatch(r"(-?\d+)([+-])(\d+)=(-?\d+)", step) for step in calculation.split(";")]
    assert all(steps), calculation
    parts = [step.groups() for step in steps if step]
    return any(int(a) + (int(b) if op == "+" else -int(b)) != int(result) for a, op, b, result in parts)


def test_golden_demonstrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of the first calculation misses by 2, and one wait follows."""
    monkeypatch.setattr(arithmetic, "habit", lambda seed, step: (1.0, 2))
    monkeypatch.setattr(arithmetic, "MOST_WAITS", 1)
    sums = ArithmeticConfig(
        operands=2, operators="+", largest_operand=1, problems=2, held_out=1, wrong_steps=1.0, reconsidered=1.0
    )
    by_hand = {
        "0+0=": "<think>0+0=2Wait0+0=0</think><answer>0</answer>",
        "0+1=": "<think>0+1=3Wait0+1=1</think><answer>1</answer>",
        "1+0=": "<think>1+0=3Wait1+0=1</think><answer>1</answer>",
        "1+1=": "<think>1+1=4Wait1+1=2</think><answer>2</answer>",
    }
    rows = training_problems(sums)
    assert len(rows) == 2 and all(row.demonstration == by_hand[str(row.prompt)] for row in rows)
    assert reconsidered("7+5-3", replace(sums, operators="+-")) == [
        [(7, "+", 5, 14), (14, "-", 3, 13)],
        [(7, "+", 5, 12), (12, "-", 3, 9)],
    ]


def test_right_calculations_are_waited_after_too() -> None:
    right = [(2, "+", 3, 5), (5, "*", 4, 20)]
    config = ArithmeticConfig(operators="+*", wrong_steps=0.0, reconsidered=1.0)
    assert reconsidered("2+3*4", config) == [right] * 5 and MOST_WAITS == 4


def test_shares_of_waits() -> None:
    """At least k waits in 0.4 to the power of k of 4,000 demonstrations, within four standard deviations."""
    counts = [len(calculations(problem)) - 1 for problem in training_problems(WAITING)]
    for waits in range(1, MOST_WAITS + 1):
        share = 0.4**waits
        found = sum(count >= waits for count in counts) / len(counts)
        assert abs(found - share) < 4 * (share * (1 - share) / len(counts)) ** 0.5, waits
    assert max(counts) == MOST_WAITS


def test_the_first_calculation_is_that_of_a_task_without_waits() -> None:
    plain = replace(WAITING, reconsidered=0.0)
    with_waits, without = training_problems(WAITING), training_problems(plain)
    assert [calculations(p)[:1] for p in with_waits] == [calculations(p) for p in without]
    assert [(p.id, p.prompt, p.answer) for p in with_waits] == [(p.id, p.prompt, p.answer) for p in without]
    unchanged = [p == q for p, q in zip(with_waits, without, strict=True) if len(calculations(p)) == 1]
    assert len(unchanged) > 2000 and all(unchanged)
    assert held_out_problems(WAITING) == held_out_problems(plain)
    assert training_problems(WAITING) == with_waits


def test_a_wait_says_nothing_about_what_stands_before_it_and_no_mistake_follows_one() -> None:
    """1 - 0.7^3 = 66 % of the first calculations have a mistake, whether a wait follows or not."""
    rows = training_problems(WAITING)
    waiting = [row for row in rows if len(calculations(row)) > 1]
    ending = [row for row in rows if len(calculations(row)) == 1]
    for some in (waiting, ending):
        share = sum(wrong(calculations(row)[0]) for row in some) / len(some)
        assert abs(share - 0.657) < 0.04
    for row in waiting:
        first, *later = calculations(row)
        assert len(set(later)) == 1 and not wrong(later[0])
        assert wrong(first) == (first != later[0])
        assert str(row.demonstration).endswith(f"</think><answer>{row.answer}</answer>")


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["data.arithmetic.reconsidered=1.5"], "valid is from 0 to 1"),
        (["experiment=bilingual", "data.arithmetic.reconsidered=0.4"], "wait between calculations in digits alone"),
        (
            [*CURVE, "data.arithmetic.reconsidered=0.4", "stages.curve.wait_text=Hmm"],
            "stages.curve.wait_text='Hmm': the demonstrations wait with 'Wait'",
        ),
    ],
)
def test_settings_that_cannot_be(overrides: list[str], text: str) -> None:
    assert text in refusal(*overrides)


def test_another_text_is_measured_when_it_is_asked_for() -> None:
    from grpo.config.check import check

    words = [*CURVE, "data.arithmetic.reconsidered=0.4", "stages.curve.wait_text=Hmm"]
    check(load_config([*words, "stages.curve.data.arithmetic.reconsidered=0"]))
    check(load_config([*words, "stages.curve.waits=0"]))
    check(load_config([*CURVE, "stages.curve.wait_text=Hmm"]))


def test_stage_and_demonstrations_wait_with_one_text_and_none_by_default() -> None:
    assert BudgetConfig().wait_text == WAIT_TEXT == "Wait"
    assert load_config([]).data.arithmetic.reconsidered == 0.0


def test_lengths_of_the_experiment() -> None:
    """In bytes, a tag and the end of the sequence a token each: they fit, and the estimate knows their mean."""
    config = load_config(["experiment=budget"])
    texts = [str(problem.demonstration) for problem in training_problems(config.data.arithmetic)]
    lengths = [len(re.sub("<[^>]*>", "t", text)) + 1 for text in texts]
    assert max(lengths) <= config.rollout.max_tokens
    assert demonstration_tokens(config.data, config.rollout) == pytest.approx(sum(lengths) / len(lengths), rel=0.1)
    calculation = max(len(one) for text in texts for one in re.split("Wait", text[7 : text.index("</think>")]))
    curve = config.stages["curve"]
    assert isinstance(curve, BudgetConfig)
    assert (MOST_WAITS + 1) * calculation + MOST_WAITS * len(WAIT_TEXT) <= curve.budgets[-1]
