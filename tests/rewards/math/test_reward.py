from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from grpo.rewards.math import reward
from grpo.rewards.math.result import Result, Verdict
from grpo.rewards.math.reward import math_answer
from grpo.rewards.part import RewardPart
from grpo.rewards.runners import DirectRunner
from grpo.rewards.suite import RewardSuite
from grpo.types import RewardItem


def result(verdict: Verdict, reason: str = "", path: str = "exact", milliseconds: float = 1.0) -> Result:
    right = verdict is Verdict.RIGHT
    return Result(equal=right, verdict=verdict, extracted="x", reason=reason, path=path, milliseconds=milliseconds)


KNOWN = {
    "right": result(Verdict.RIGHT),
    "loose": result(Verdict.RIGHT, path="symbolic"),
    "wrong": result(Verdict.WRONG, path="numeric", milliseconds=9.0),
    "none": result(Verdict.NO_ANSWER, "no_box"),
    "odd": result(Verdict.UNPARSABLE, "too_hard"),
    "slow": result(Verdict.TIMED_OUT, "deadline", "pool", 1000.0),
    "bad gold": result(Verdict.ERROR, "gold_unparsable"),
    "dead": result(Verdict.ERROR, "worker died: was killed by SIGSEGV", "pool"),
}


@pytest.fixture(autouse=True)
def judgements(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    asked: list[tuple[str, int]] = []

    def verify_batch(golds: list[str], texts: list[str], *, mode: str = "lenient") -> list[Result]:
        asked.append((mode, len(texts)))
        assert len(golds) == len(texts)
        strict = mode == "strict"
        return [KNOWN["none"] if strict and text == "loose" else KNOWN[text] for text in texts]

    monkeypatch.setattr(reward, "verify_batch", verify_batch)
    return asked


def test_what_each_verdict_is_worth() -> None:
    values = math_answer(["right", "wrong", "none", "odd", "slow", "dead"], answer=["1"] * 6, prompts=["p"] * 6)
    assert values[:5] == [1.0, 0.0, 0.0, 0.0, 0.0] and math.isnan(values[5])
    assert math_answer([[{"role": "assistant", "content": "right"}]], answer=["1"]) == [1.0]
    assert math_answer([], answer=[]) == []


def test_strict_mode_is_a_setting(judgements: list[tuple[str, int]]) -> None:
    assert math_answer(["right", "loose"], answer=["1", "1"]) == [1.0, 1.0]
    assert math_answer(["right", "loose"], answer=["1", "1"], mode="strict") == [1.0, 0.0]
    assert judgements == [("lenient", 2), ("strict", 2)]


def test_a_gold_that_cannot_be_read_is_an_error_not_a_zero() -> None:
    with pytest.raises(ValueError, match=r"gold answer '\?\?' cannot be read .*gold_unparsable"):
        math_answer(["right", "bad gold"], answer=["1", "??"])


def test_what_is_logged(judgements: list[tuple[str, int]]) -> None:
    metrics: dict[str, float] = {}
    texts = ["right", "right", "loose", "wrong", "none", "odd", "slow", "dead"]
    math_answer(texts, answer=["1"] * 8, log_metric=metrics.__setitem__)
    assert metrics == {
        "math/no_answer": 0.125,
        "math/unparsable": 0.125,
        "math/timed_out": 0.125,
        "math/errors": 0.125,
        "math/fast_path": 0.5,
        "math/p99_ms": 1000.0,
        "math/strict_accuracy": 0.25,
        "math/lenient_accuracy": 0.375,
    }
    assert judgements == [("lenient", 8), ("strict", 3)]


def test_both_accuracies_are_logged_in_strict_mode(judgements: list[tuple[str, int]]) -> None:
    metrics: dict[str, float] = {}
    math_answer(["right", "loose", "wrong", "none"], answer=["1"] * 4, log_metric=metrics.__setitem__, mode="strict")
    assert metrics["math/strict_accuracy"] == 0.25 and metrics["math/lenient_accuracy"] == 0.5
    assert judgements == [("strict", 4), ("lenient", 3)]


def test_nothing_is_logged_about_nothing() -> None:
    math_answer([], answer=[], log_metric=lambda *_: pytest.fail("no items, no shares"))


def test_p99_of_many() -> None:
    results = [result(Verdict.RIGHT, milliseconds=float(index)) for index in range(1, 201)]
    assert reward.shares(results)["math/p99_ms"] == 198.0
    assert reward.shares(results[:1])["math/p99_ms"] == 1.0


def test_in_a_suite_every_failure_is_an_error_and_the_rest_is_scored(item: Callable[..., RewardItem]) -> None:
    suite = RewardSuite([RewardPart(DirectRunner("math_answer", math_answer), 1.0, 60.0)], max_error_share=1.0)
    groups = [
        [item("right", answer="1"), item("dead", answer="1"), item("slow", answer="1")],
        [item("bad gold", answer="??"), item("bad gold", answer="??")],
        [item("wrong", answer="1"), item("right", answer="1", prompt=({"role": "user", "content": "p"},))],
    ]
    scores = suite.score(groups)
    assert [[score.total for score in group] for group in scores] == [[1.0, None, 0.0], [None, None], [0.0, 1.0]]
    assert scores[0][1].error == "math_answer: returned nan"
    assert "gold answer '??' cannot be read" in str(scores[1][0].error)
    assert suite.counters["math_answer"].errors == 3
    assert 0 < suite.metrics["math/fast_path"] < 1
