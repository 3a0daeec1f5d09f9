"""Each filter on text written by hand, and the order in which they are asked."""

from __future__ import annotations

from typing import Any

import pytest

from grpo.rewards.format import TagCount, ThinkFormat
from grpo.rewards.registry import REGISTERED
from grpo.stages.traces.filters import (
    FILTERS,
    FORMAT_REWARDS,
    LANGUAGE_REWARD,
    LONGEST_PARAGRAPH,
    filtered,
)
from grpo.stages.traces.sample import Sample

GOOD = "<think>1+1=2</think><answer>2</answer>"


def sample(text: str = GOOD, problem: str = "a", index: int = 0, **changed: Any) -> Sample:
    values: dict[str, Any] = {
        "tokens": 3,
        "finish_reason": "stop",
        "weight_version": 5,
        "rewards": {"exact_integer": 1.0},
        "total": 1.0,
        "failure": None,
    }
    return Sample(problem_id=problem, index=index, text=text, **(values | changed))


def reasons(*samples: Sample, per_problem: int = 99) -> dict[str, int]:
    return {name: count for name, count in filtered(samples, per_problem).dropped.items() if count}


@pytest.mark.parametrize(
    ("reason", "dropped"),
    [
        ("failed", sample(rewards={}, total=None, failure="no answer")),
        ("failed", sample(rewards={"exact_integer": None}, total=None, failure="exact_integer: raised")),
        ("wrong", sample(rewards={"exact_integer": 0.99})),
        ("wrong", sample(rewards={"exact_integer": None, "math_answer": 1.0})),
        ("unfinished", sample(finish_reason="length")),
        ("format", sample(rewards={"exact_integer": 1.0, "think_answer_format": 0.0})),
        ("language", sample(rewards={"exact_integer": 1.0, "language_consistency": 0.899})),
        ("long_paragraph", sample(f"<think>{'x' * 2001}</think>2")),
        ("long_paragraph", sample("x" * 2001)),
        ("code_block", sample("<think>so\n```python\n1+1\n```\n</think>2")),
        ("code_block", sample("<think>so\n  ~~~\n1+1</think>2")),
    ],
)
def test_one_reason_each(reason: str, dropped: Sample) -> None:
    assert reasons(dropped) == {reason: 1}


@pytest.mark.parametrize(
    "kept",
    [
        sample(),
        sample(rewards={"exact_integer": 1.0, "think_answer_format": 1.0, "language_consistency": 0.9}),
        sample(rewards={"exact_integer": 1.0, "language_consistency": None}),
        sample(f"<think>{'x' * 1000}\n \t\n{'x' * 1001}</think>2"),
        sample(f"<think>short</think>{'x' * 3000}"),
        sample("<think>short</think>\n```python\n1+1\n```"),
        sample("<think>a ``` in a line</think>2"),
    ],
)
def test_what_passes(kept: Sample) -> None:
    assert filtered([kept], 1).kept == (kept,)


def test_the_first_failed_filter_counts() -> None:
    assert list(FILTERS) == ["failed", "wrong", "unfinished", "format", "language", "long_paragraph", "code_block"]
    everything = {"exact_integer": 1.0, "think_answer_format": 0.0, "language_consistency": 0.0}
    text = "<think>\n```\n" + "x" * 2001 + "</think>"
    assert reasons(sample(text, rewards=everything, finish_reason="length")) == {"unfinished": 1}
    assert reasons(sample(text, rewards=everything)) == {"format": 1}
    assert reasons(sample(text, rewards=everything | {"think_answer_format": 1.0})) == {"language": 1}
    assert reasons(sample(text)) == {"long_paragraph": 1}


def test_duplicates_are_of_one_problem_and_equal_but_for_whitespace() -> None:
    samples = [
        sample("a b", index=0),
        sample(" a\n\tb ", index=1),
        sample("a  b", problem="b", index=0),
        sample("ab", index=2),
        sample("a b", index=3, rewards={"exact_integer": 0.0}),
    ]
    found = filtered(samples, 99)
    assert [(one.problem_id, one.index) for one in found.kept] == [("a", 0), ("b", 0), ("a", 2)]
    assert found.dropped == dict.fromkeys(found.dropped, 0) | {"duplicate": 1, "wrong": 1}


def test_the_cap_keeps_the_first_by_index_and_counts_after_duplicates() -> None:
    samples = [sample(text, index=i, tokens=9 - i) for i, text in enumerate(["p", "q", "p", "r", "s"])]
    found = filtered(samples, 2)
    assert [one.index for one in found.kept] == [0, 1]
    assert {name: count for name, count in found.dropped.items() if count} == {"duplicate": 1, "cap": 2}
    assert list(found.dropped)[-2:] == ["duplicate", "cap"]


def test_contaminated_problems_go_whatever_is_written() -> None:
    samples = [sample("p", "seen"), sample("q", "seen", 1), sample("q", "new"), sample("q", "new", 1)]
    wrong = sample("r", "seen", 2, rewards={"exact_integer": 0.0})
    found = filtered([*samples, wrong], 1, {"seen"})
    assert found.kept == (samples[2],)
    assert {name: count for name, count in found.dropped.items() if count} == {
        "wrong": 1, "contaminated": 2, "duplicate": 1
    }  # fmt: skip
    assert list(found.dropped)[-3:] == ["contaminated", "duplicate", "cap"]


def test_the_names_are_those_of_rewards() -> None:
    assert FORMAT_REWARDS | {LANGUAGE_REWARD} <= set(REGISTERED)
    assert ThinkFormat()(["x"]) == [0.0] and TagCount()(["<think>"]) == [0.25]
    assert LONGEST_PARAGRAPH == 2000


def test_a_sample_survives_json() -> None:
    one = sample(rewards={"z": 1.0, "a": 0.1, "b": None})
    again = Sample.of_entry(one.entry())
    assert again == one and list(again.rewards) == ["z", "a", "b"]
