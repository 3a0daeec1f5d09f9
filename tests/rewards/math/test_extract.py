from __future__ import annotations

import pytest

from grpo.rewards.math.anchors import candidates, is_prose
from grpo.rewards.math.extract import after_reasoning, boxed, extract
from grpo.rewards.math.limits import MAX_TEXT


@pytest.mark.parametrize(
    ("body", "answer", "reason"),
    [
        (r"\boxed{7}", "7", ""),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", ""),
        (r"\fbox{7}", "7", ""),
        (r"\boxed 7.", "7", ""),
        (r"\boxed{ \{1, 2\} }", r" \{1, 2\} ", ""),
        (r"\boxed{\boxed{7}}", "7", ""),
        (r"\boxed{x = \boxed{7}}", "x = {7}", ""),
        (r"\boxed{3} then \boxed{7}", "7", ""),
        (r"\boxed{3} and \boxed{7}", "3, 7", ""),
        (r"\boxed{3}, \boxed{5}, \boxed{7}", "3, 5, 7", ""),
        (r"\boxed{3} or $\boxed{7}$", "3 or 7", ""),
        (r"\boxed{7", None, "unclosed_box"),
        (r"\boxed{3} and \boxed{7", None, "unclosed_box"),
        (r"\boxed{3, \boxed{7}}", "3, {7}", ""),
        (r"\boxed{3 \boxed{7}", None, "unclosed_box"),
        (r"\boxed{7\}", None, "unclosed_box"),
        ("7", None, "no_box"),
    ],
)
def test_boxes(body: str, answer: str | None, reason: str) -> None:
    found = boxed(body)
    assert (found.answer, found.reason) == (answer, reason)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"<think>\boxed{3}</think>\boxed{7}", "7"),
        ("<think>a</think><answer>7</answer>", "7"),
        (r"<answer>\boxed{7}</answer>", "7"),
        (r"<answer>7</answer> \boxed{3}", "7"),
        ("<answer>3</answer><answer>7</answer>", "3, 7"),
        ("<answer>7</answer><answer>7</answer>", "7"),
        ("<think><answer>3</answer></think>", None),
        (r"<think>\boxed{3}", None),
        (r"a</think>b</think>\boxed{7}", "7"),
        (r"</think>\boxed{7}<think>\boxed{3}", "7"),
    ],
)
def test_tags_and_reasoning(text: str, answer: str | None) -> None:
    assert extract(text).answer == answer


def test_only_the_tail_of_a_long_text_is_read() -> None:
    assert after_reasoning("x" * MAX_TEXT + "7") == "x" * (MAX_TEXT - 1) + "7"
    assert extract(r"\boxed{3}" + " " * MAX_TEXT).answer is None


@pytest.mark.parametrize(
    ("body", "first", "anchor"),
    [
        ("7 * 6\n#### 42", "42", "hash"),
        ("The answer is 42.", "42", "answer"),
        ("The answer is: $42$, as said", "42", "answer"),
        ("答案是42。", "42", "answer"),
        ("so **42**", "42", "bold"),
        ("so $x$ is $42$ here and that is the end of this very long sentence " + "." * 80, "42", "last"),
        ("x is 41, then 42 " + "." * 120, "42", "last"),
        ("the sum is 3.50" + "!" * 120, "3.50", "last"),
        ("5 or 6 it is" + "!" * 120, "5 or 6", "last"),
    ],
)
def test_anchors_come_in_order(body: str, first: str, anchor: str) -> None:
    assert next(candidates(body)) == (first, anchor)


def test_several_numbers_offered_are_no_answer() -> None:
    assert [text for text, _ in candidates("The answer is either 5 or 6.")] == ["either 5 or 6"]


def test_prose_begins_with_a_word() -> None:
    assert is_prose("Thus x = 5")
    assert not is_prose("x = 5")
    assert not is_prose("sin 5")
    assert not is_prose("5 apples")
