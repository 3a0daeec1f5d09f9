"""Golds of public data sets against their own solutions. GRPO_DATA names the folder with `gsm8k/` and `math/`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from grpo.rewards.math.extract import boxed
from grpo.rewards.math.judge import equivalent, judge

DATA = os.environ.get("GRPO_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="GRPO_DATA is not set: a folder with gsm8k/ and math/")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(DATA or "") / name).read_text(encoding="utf-8").splitlines()]


def math_test() -> list[tuple[str, str]]:
    return [(boxed(row["solution"]).answer or "", row["solution"]) for row in rows("math/test.jsonl")]


@pytest.mark.parametrize("split", ["train", "test"])
def test_gsm8k_solutions_are_right(split: str) -> None:
    wrong = []
    for row in rows(f"gsm8k/{split}.jsonl"):
        gold = row["answer"].rsplit("####", 1)[1].strip()
        if not judge(gold, row["answer"]).equal:
            wrong.append(gold)
    assert wrong == []


def test_math500_solutions_are_right() -> None:
    wrong = [row["answer"] for row in rows("math/math500.jsonl") if not judge(row["answer"], row["solution"]).equal]
    assert wrong == []


def test_math_solutions_are_right() -> None:
    pairs = math_test()
    wrong = [gold for gold, solution in pairs if not judge(gold, solution).equal]
    assert len(wrong) <= 0.005 * len(pairs), wrong


def test_golds_equal_themselves_respelled_without_the_identity_path() -> None:
    """Other spellings of fractions and spaces, so that the trees are built and compared anew."""
    golds = [gold for gold, _ in math_test()]
    wrong = [gold for gold in golds if not equivalent(gold, gold.replace("\\frac", "\\dfrac").replace(", ", " ,  "))]
    assert len(wrong) <= 0.01 * len(golds), wrong


def test_golds_do_not_equal_the_next_solution() -> None:
    pairs = math_test()
    equal = [
        (gold, boxed(pairs[index + 1][1]).answer)
        for index, (gold, _) in enumerate(pairs[:-1])
        if gold != pairs[index + 1][0] and judge(gold, pairs[index + 1][1]).equal
    ]
    # The same values in two spellings, such as 3/4 twice, or 120 degrees and 120.
    assert len(equal) <= 6, equal
