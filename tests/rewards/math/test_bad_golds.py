"""A gold that nothing could equal is an error of the data, never a zero for the model."""

from __future__ import annotations

import pytest

from grpo.rewards.math.judge import judge
from grpo.rewards.math.result import Verdict
from grpo.rewards.math.reward import is_bad_gold


@pytest.mark.parametrize(
    ("gold", "reason"),
    [
        ("", "gold_empty"), (" \n", "gold_empty"), (r"\boxed{}", "gold_empty"), (r"\frac{1", "gold_not_maths"),
        ("(((", "gold_not_maths"), (r"\int_0^1 x dx + ", "gold_not_maths"),
        ("1+" * 3000 + "1", "gold_too_hard"),
    ],
)  # fmt: skip
def test_golds_that_cannot_be_read(gold: str, reason: str) -> None:
    result = judge(gold, r"\boxed{2}")
    assert (result.verdict, result.reason) == (Verdict.ERROR, reason) and is_bad_gold(result)
    assert judge("2", rf"\boxed{{{gold}}}").verdict is not Verdict.ERROR


@pytest.mark.parametrize("gold", ["even", "3:04 pm", r"\text{(C)}", "Monday, May 5", r"\text{Evelyn}", "x < 3", "yes"])
def test_golds_in_words_are_no_errors(gold: str) -> None:
    assert judge(gold, r"\boxed{2}").verdict in (Verdict.WRONG, Verdict.UNPARSABLE)
    assert judge(gold, rf"\boxed{{{gold}}}").verdict is Verdict.RIGHT
