from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.rewards.format import think_answer_format, think_answer_format_opened

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
