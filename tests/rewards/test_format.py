from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.rewards.format import (
    BoxedAnswer,
    TagCount,
    ThinkFormat,
    think_answer_format,
    think_answer_format_opened,
)

GOOD = ["<think>a</think><answer>b</answer>", " \n<think>a\nb</think>\n\n<answer> b </answer>\n"]
BAD = [
    "",
    "<think></think><answer>b</answer>",
    "<think> </think><answer>b</answer>",
    "<think>a</think><answer>\n</answer>",
    "<think>a</think>so <answer>b</answer>",
    "well <think>a</think><answer>b</answer>",
    "<think>a</think><answer>b</answer> done",
    "<answer>b</answer><think>a</think>",
    "<think>a<answer>b</think></answer>",
    "<think><answer>b</answer></think>",
    "<think>a</think><think>a</think><answer>b</answer>",
    "<think>a</think><answer>b</answer><answer>b</answer>",
    "<think>a</think></think><answer>b</answer>",
    "<think>a<think>b</think><answer>b</answer>",
    "<think>a</think><answer>b",
    "a</think><answer>b</answer>",
    "<Think>a</Think><answer>b</answer>",
    "<think>a</think><answer>b</answer><eos>",
    "<think>" * 100_000,
]


@pytest.mark.parametrize("text", GOOD)
def test_whole_template(text: str) -> None:
    assert think_answer_format([text], prompts=["p"], answer=["7"]) == [1.0]
    assert think_answer_format([[{"role": "assistant", "content": text}]]) == [1.0]


@pytest.mark.parametrize("text", BAD)
def test_anything_else(text: str) -> None:
    assert think_answer_format([text]) == [0.0]


def test_prompts_that_opened_the_reasoning() -> None:
    texts = ["a</think><answer>b</answer>", "</think><answer>b</answer>", *GOOD, "a<answer>b</answer>"]
    assert think_answer_format_opened(texts) == [1.0, 0.0, 0.0, 0.0, 0.0]


@given(st.text(), st.text(), st.sampled_from(["", " ", "\n\t"]))
def test_contents_decide_only_by_tags_and_blankness(reasoning: str, answer: str, gap: str) -> None:
    tagged = any(tag in text for text in (reasoning, answer) for tag in ("think>", "answer>"))
    expected = float(bool(reasoning.strip()) and bool(answer.strip()) and not tagged)
    assert think_answer_format([f"<think>{reasoning}</think>{gap}<answer>{answer}</answer>"]) == [expected]


@pytest.mark.parametrize(
    ("text", "quarters"),
    [
        ("<think>a</think><answer>b</answer>", 4),
        ("<answer>b</answer><think>a</think>", 4),
        ("<think>a</think><answer>b", 3),
        ("<think><think>a</think><answer>b</answer>", 3),
        ("<think>a</think></think>b", 1),
        ("<think>a</think> b", 2),
        ("<Think>a< /think>", 0),
        ("", 0),
    ],
)
def test_tag_count(text: str, quarters: int) -> None:
    assert TagCount()([text], prompts=["p"]) == [quarters / 4]
    assert TagCount()([[{"role": "assistant", "content": text}]]) == [quarters / 4]


def test_tag_count_where_the_prompt_opened_the_reasoning() -> None:
    texts = ["a</think><answer>b</answer>", "", "<think>a</think><answer>b</answer>"]
    assert TagCount(opened=True)(texts) == [1.0, 0.25, 0.75]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think>b", 1.0),
        (" <think>a</think>\n\nb", 1.0),
        ("<think>a</think>", 0.0),
        ("<think>a</think> \n", 0.0),
        ("<think> </think>b", 0.0),
        ("a<think>a</think>b", 0.0),
        ("<think>a</think>b</think>c", 0.0),
        ("<think>a<think>a</think>b", 0.0),
        ("<think>a", 0.0),
        ("</think>a<think>", 0.0),
        ("a</think>b", 0.0),
        ("", 0.0),
    ],
)
def test_think_format(text: str, expected: float) -> None:
    assert ThinkFormat()([text]) == [expected]


def test_think_format_where_the_prompt_opened_the_reasoning() -> None:
    assert ThinkFormat(opened=True)(["a</think>b", "</think>b", "a</think>", "<think>a</think>b"]) == [1.0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"<think>a</think>so \boxed{7}", 1.0),
        (r"\boxed{7}", 1.0),
        (r"<think>a</think>\boxed{\frac{1}{2}}", 1.0),
        (r"<think>a</think>\boxed {\text{yes}} and more", 1.0),
        (r"<think>a</think>\boxed{ }", 0.0),
        (r"<think>a</think>\boxed{}", 0.0),
        (r"<think>a</think>\boxed{\boxed{}}", 0.0),
        (r"<think>a</think>\boxed{\boxed{3}}", 1.0),
        (r"<think>a</think>\boxed{7", 0.0),
        (r"<think>a</think>\boxed{{}", 0.0),
        (r"<think>a</think>\boxed{{ }}", 0.0),
        (r"<think>a</think>\boxed{\{7\}", 0.0),
        (r"<think>a</think>}\boxed{\{7\}}", 1.0),
        (r"<think>a</think>{7} \boxed 7", 0.0),
        (r"<think>\boxed{7}</think>it is 7", 0.0),
        (r"<think>\boxed{7}", 0.0),
        (r"<think>a</think><think>\boxed{7}", 0.0),
        (r"<think>a</think>\fbox{7}", 0.0),
        ("", 0.0),
    ],
)
def test_boxed_answer(text: str, expected: float) -> None:
    assert BoxedAnswer()([text]) == [expected]


def test_boxed_answer_where_the_prompt_opened_the_reasoning() -> None:
    texts = [r"a</think>\boxed{7}", r"\boxed{7}", r"\boxed{7}</think>7"]
    assert BoxedAnswer(opened=True)(texts) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("reward", [TagCount, ThinkFormat, BoxedAnswer])
def test_settings_of_the_wrong_type_are_refused(reward: type[TagCount]) -> None:
    with pytest.raises(ValueError, match="opened 'yes'"):
        reward(opened="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "piece", [r"\boxed{", "{", "}", "<think>", "</think>", "<", "\\", r"\boxed{1", "a ", r"\boxed" + " "]
)
def test_a_megabyte_takes_less_than_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()
    for reward in (TagCount(), ThinkFormat(), BoxedAnswer(), think_answer_format):
        reward([text])
    assert time.process_time() - start < 1.0
