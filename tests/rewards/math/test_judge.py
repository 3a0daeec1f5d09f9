from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from grpo.rewards.math.judge import equivalent, judge
from grpo.rewards.math.result import Verdict


@pytest.mark.parametrize(
    ("gold", "text", "verdict", "reason"),
    [
        ("7", r"so \boxed{7}", Verdict.RIGHT, ""),
        ("7", r"so \boxed{8}", Verdict.WRONG, ""),
        ("7", r"so \boxed{7", Verdict.NO_ANSWER, "unclosed_box"),
        ("7", r"\boxed{}", Verdict.WRONG, "empty"),
        ("7", "<think> 7", Verdict.NO_ANSWER, "unclosed_reasoning"),
        ("7", r"<think>\boxed{7}</think> I do not know.", Verdict.NO_ANSWER, "no_answer"),
        ("7", r"\boxed{9^{9^{9^{9}}}}", Verdict.UNPARSABLE, "too_hard"),
        ("7", r"\boxed{\int_0^7 dx + }", Verdict.UNPARSABLE, "not_maths"),
        ("", r"\boxed{7}", Verdict.ERROR, "gold_empty"),
    ],
)
def test_verdicts_are_kept_apart(gold: str, text: str, verdict: Verdict, reason: str) -> None:
    result = judge(gold, text)
    assert (result.verdict, result.reason, result.equal) == (verdict, reason, verdict is Verdict.RIGHT)


def test_strict_wants_a_box_or_a_tag() -> None:
    assert judge("7", "The answer is 7.").equal
    strict = judge("7", "The answer is 7.", mode="strict")
    assert (strict.verdict, strict.reason) == (Verdict.NO_ANSWER, "no_box")
    assert judge("7", r"\boxed{7}", mode="strict").equal
    assert judge("7", "<answer>7</answer>", mode="strict").equal


def test_unknown_mode_names_the_valid_ones() -> None:
    with pytest.raises(ValueError, match="lenient, strict"):
        judge("7", "7", mode="loose")


def test_equivalent_has_no_shortcut_for_identical_text() -> None:
    assert equivalent("x^2 - 1", "(x - 1)(x + 1)")
    assert not equivalent("x^2 - 1", "x^2 + 1")


def test_threads_do_not_disturb_each_other() -> None:
    pairs = [
        (r"\binom{n}{2}", r"\boxed{\frac{n(n-1)}{2}}"),
        (r"\sqrt{2}", r"\boxed{\frac{2}{\sqrt2}}"),
        ("n!", r"\boxed{n}"),
    ]
    expected = [judge(gold, text) for gold, text in pairs] * 40
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda pair: judge(*pair), pairs * 40)) == expected
