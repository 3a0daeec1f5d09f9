from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from grpo.data.gold import NoGoldError, Solution, closing_brace, split_solution

BOX = "\\boxed{"


@pytest.mark.parametrize(
    ("text", "marker", "gold", "reasoning"),
    [
        ("2+2 is 4\n#### 4", "#### ", "4", "2+2 is 4\n"),
        ("#### 3 was wrong\n#### 4 ", "#### ", "4", "#### 3 was wrong\n"),
        (r"So $x=\boxed{\frac{1}{2}}$ holds.", BOX, r"\frac{1}{2}", r"So $x=\frac{1}{2}$ holds."),
        (r"\boxed{1}, no: \boxed{ \{2\} }.", BOX, r"\{2\}", r"\boxed{1}, no:  \{2\} ."),
    ],
)
def test_golden_splits(text: str, marker: str, gold: str, reasoning: str) -> None:
    assert split_solution(text, marker) == Solution(reasoning=reasoning, gold=gold)


@pytest.mark.parametrize(
    ("text", "marker", "wanted"),
    [
        ("four", "#### ", "there is no marker '#### '"),
        ("#### ", "#### ", "nothing follows"),
        (r"\boxed{ }", BOX, "nothing follows"),
        (r"\boxed{\frac{1}{2}", BOX, "is never closed"),
    ],
)
def test_no_gold(text: str, marker: str, wanted: str) -> None:
    with pytest.raises(NoGoldError, match=wanted):
        split_solution(text, marker)


def test_escaped_braces_do_not_count() -> None:
    assert closing_brace(r"a\}b}c") == 4
    assert closing_brace("{}") is None
    assert closing_brace("\\") is None


@pytest.mark.skipif("GRPO_DATA" not in os.environ, reason="GRPO_DATA names no folder with the data sets")
def test_every_solution_of_math_has_its_gold() -> None:
    """For MATH-500 the golds are given apart as well, spaces within them aside."""
    folder = Path(os.environ["GRPO_DATA"]) / "math"
    solutions = [json.loads(line)["solution"] for line in (folder / "test.jsonl").read_text().splitlines()]
    golds = [split_solution(text, BOX).gold for text in solutions if BOX in text]
    assert len(golds) >= 0.99 * len(solutions) and all(golds)
    rows = [json.loads(line) for line in (folder / "math500.jsonl").read_text().splitlines()]
    pairs = [(split_solution(row["solution"], BOX).gold, row["answer"]) for row in rows if BOX in row["solution"]]
    different = [(gold, answer) for gold, answer in pairs if gold.replace(" ", "") != answer.replace(" ", "")]
    print(len(golds), len(solutions), len(pairs), different)
    assert len(pairs) >= 490 and len(different) <= 10
