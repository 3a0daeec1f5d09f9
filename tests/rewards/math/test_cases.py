"""The labelled set: every type of answer, right and nearly right. No false positive is tolerated."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path

import pytest

from grpo.rewards.math.judge import judge

CASES = [json.loads(line) for line in (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
TYPES = sorted({case["type"] for case in CASES})
RATE = 0.98
"""Share of a type that must be judged as labelled."""


def test_the_set_is_large_and_balanced() -> None:
    negatives = sum(not case["equal"] for case in CASES)
    assert len(CASES) >= 400
    assert 0.35 <= negatives / len(CASES) <= 0.65
    assert len({(case["gold"], case["text"]) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("kind", TYPES)
def test_rate_by_type(kind: str) -> None:
    cases = [case for case in CASES if case["type"] == kind]
    verdicts = [(case, judge(case["gold"], case["text"])) for case in cases]
    false_positives = [(case["gold"], case["text"]) for case, result in verdicts if result.equal and not case["equal"]]
    missed = [(case["gold"], case["text"]) for case, result in verdicts if case["equal"] and not result.equal]
    assert false_positives == []
    assert len(missed) <= (1 - RATE) * len(cases), missed


def test_no_case_is_slow() -> None:
    seconds: dict[str, float] = defaultdict(float)
    for case in CASES:
        start = time.process_time()
        judge(case["gold"], case["text"])
        seconds[case["text"]] = time.process_time() - start
    slowest = max(seconds, key=lambda text: seconds[text])
    assert seconds[slowest] < 0.5, slowest


def test_verdicts_do_not_depend_on_order() -> None:
    forwards = [judge(case["gold"], case["text"]) for case in CASES]
    backwards = [judge(case["gold"], case["text"]) for case in reversed(CASES)]
    assert forwards == backwards[::-1]
