"""What votes are counted of."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from grpo.rewards.answers import answers_of
from grpo.rewards.registry import REGISTERED


def test_integers() -> None:
    read = answers_of("exact_integer", {}, in_process=False)
    assert read is not None
    texts = ["<think>1</think><answer> 1,234 </answer>", "<answer>-0</answer>", "<answer>x</answer>", "12"]
    assert read(texts) == ["1234", "0", None, None]


def test_mathematics() -> None:
    read = answers_of("math_answer", {}, in_process=False)
    assert read is not None
    texts = [r"so \boxed{\dfrac{1}{2}}", r"\boxed{ \frac{1}{2} }.", "<answer>$12$</answer>", r"\boxed{12}", "it is 12"]
    half, same, *rest = read(texts)
    assert half == same is not None and rest == ["12", "12", None]


@pytest.mark.parametrize(
    "text", [r"\boxed{" * 200_000, r"\boxed{" + "{" * 100_000 + "}" * 100_000 + "}", "<answer>" * 99_999]
)
def test_no_text_is_slow_to_read(text: str) -> None:
    read = answers_of("math_answer", {}, in_process=False)
    assert read is not None
    started = time.process_time()
    read([text])
    assert time.process_time() - started < 2.0


def test_who_does_not_say(tmp_path: Path) -> None:
    silent = set(REGISTERED) - {"exact_integer", "math_answer"}
    assert all(answers_of(name, {}, in_process=True) is None for name in silent)
    file = tmp_path / "mine.py"
    file.write_text("def score(completions, **_):\n    return [0.0 for _ in completions]\n\nscore.answers = list\n")
    assert answers_of(f"{file}:score", {}, in_process=False) is None  # its code stays in its own process
    read = answers_of(f"{file}:score", {}, in_process=True)
    assert read is not None and read(["a", "b"]) == ["a", "b"]
