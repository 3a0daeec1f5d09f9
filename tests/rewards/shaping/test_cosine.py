"""Values worked out by hand from the paper's formula."""

from __future__ import annotations

import math
import sys
from types import ModuleType, SimpleNamespace

import pytest

from grpo.rewards.shaping.cosine import CosineLength

RIGHT = "<answer>7</answer>"
WRONG = "<answer>8</answer>"


def tokens(*lengths: int) -> list[list[int]]:
    return [[1] * length for length in lengths]


def test_the_papers_values() -> None:
    reward = CosineLength(max_tokens=100, accuracy="exact_integer")
    lengths = tokens(0, 50, 100, 101, 0, 50, 100)
    texts = [RIGHT] * 4 + [WRONG] * 3
    values = reward(completions=texts, completion_ids=lengths, answer=["7"] * 7)
    # Halfway the cosine is 0: the mean of both ends. A third: cos 60° = 1/2, three quarters of the way back.
    assert values == pytest.approx([2.0, 1.5, -10.0, -10.0, -10.0, -5.0, -10.0])
    third = CosineLength(max_tokens=3, accuracy="exact_integer")
    assert third([RIGHT, WRONG], tokens(1, 1), ["7", "7"]) == pytest.approx([1.75, -7.5])


def test_own_ends() -> None:
    reward = CosineLength(
        max_tokens=60,
        correct_short=1.0,
        correct_long=0.5,
        wrong_short=-1.0,
        wrong_long=-0.5,
        exceeded=-2.0,
        accuracy="exact_integer",
    )
    values = reward([RIGHT, WRONG, RIGHT], tokens(30, 30, 60), ["7"] * 3)
    assert values == pytest.approx([0.75, -0.75, -2.0])


def test_the_mathematical_verifier_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = ModuleType("grpo.rewards.math")
    verifier.verify_batch = lambda golds, texts: [  # type: ignore[attr-defined]
        SimpleNamespace(equal=gold in text) for gold, text in zip(golds, texts, strict=True)
    ]
    monkeypatch.setitem(sys.modules, "grpo.rewards.math", verifier)
    messages = [{"role": "assistant", "content": "it is x+1"}]
    assert CosineLength(max_tokens=2)([messages, "no"], tokens(0, 0), ["x+1", "x"]) == [2.0, -10.0]


@pytest.mark.parametrize("settings", [{"max_tokens": 0}, {"accuracy": "guess"}, {"wrong_long": math.inf}])
def test_refuses(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        CosineLength(**settings)  # type: ignore[arg-type]
