"""Rewards that ship with TRL, named as their users name them, run here as they are."""

from __future__ import annotations

from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

from grpo.rewards.suite import build_suite
from tests.rewards.test_suite import MakeItem

pytestmark = pytest.mark.skipif(find_spec("trl") is None, reason="TRL is not installed")

CHAT = ({"role": "user", "content": "What is 1/3 + 1/3?"},)
RIGHT = "<think>\nadd them\n</think>\n\\boxed{\\frac{2}{3}}"
OPEN = "<think>\nIt must be \\boxed{\\frac{2}{3}}"
WRONG = "\\boxed{\\frac{1}{3}}"


def test_shipped_functions_unchanged(item: MakeItem) -> None:
    """Right, unfinished reasoning, and a wrong answer without reasoning; the last text has no solution to compare."""
    functions = [
        f"trl.rewards.{name}" for name in ("think_format_reward", "accuracy_reward", "reasoning_accuracy_reward")
    ]
    items = [item(text, prompt=CHAT, solution="$\\frac{2}{3}$") for text in (RIGHT, OPEN, WRONG)]
    items.append(item(RIGHT, prompt=CHAT, solution="no formula"))
    with closing(build_suite(functions, [1.0, 1.0, 1.0], deadline_seconds=120.0)) as suite:
        [scores] = suite.score([items])
    assert [score.parts for score in scores] == [
        (1.0, 1.0, 1.0),
        (0.0, 1.0, 0.0),
        (0.0, 0.0, 0.0),
        (1.0, None, None),
    ]
    assert [score.error for score in scores] == [None] * 4


def test_shipped_factories_in_a_file_of_the_user(item: MakeItem, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment\n"
        "overlong = get_soft_overlong_punishment(max_completion_len=10, soft_punish_cache=4)\n"
        "repetition = get_repetition_penalty_reward(ngram_size=1)\n"
    )
    items = [item("x", prompt=CHAT, ids=ids) for ids in ((1, 2, 3, 4), (1,) * 8, tuple(range(12)))]
    with closing(build_suite([f"{path}:overlong", f"{path}:repetition"], [1.0, 1.0], 120.0)) as suite:
        [scores] = suite.score([items])
    assert [score.parts for score in scores] == [(0.0, 0.0), (-0.5, pytest.approx(-7 / 8)), (-1.0, 0.0)]
