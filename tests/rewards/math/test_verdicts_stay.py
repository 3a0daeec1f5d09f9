"""A verdict depends on gold, text and mode alone: not on workers, order, a cold start or a busy machine."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from grpo.rewards.math import judge as judge_module
from grpo.rewards.math import verifier
from grpo.rewards.math.judge import judge
from grpo.rewards.math.pool import Pool, Work
from grpo.rewards.math.pool.host import usable_cores
from grpo.rewards.math.verifier import JUDGE, after_reasoning
from tests.rewards.math.hostile import hostile_pairs
from tests.rewards.math.test_pool_load import busy_loops

Pairs = list[tuple[str, str]]
Said = list[tuple[str, str | None, str, str]]
ORDINARY = (
    ("7", r"so $\boxed{7}$"), ("7", r"\boxed{8}"), ("7", "the answer is 7."), ("7", "<think>7</think> no idea"),
    (r"\frac{1}{2}", r"\boxed{0.5}"), (r"\frac{2}{3}", r"\boxed{0.67}"), ("x^2-1", r"\boxed{(x-1)(x+1)}"),
    (r"\sin 2x", r"\boxed{2 \sin x \cos x}"), ("(1, 2)", r"\boxed{(2, 1)}"), (r"\{1, 2\}", r"\boxed{\{2, 1\}}"),
    (r"3\sqrt{2}", r"\boxed{\sqrt{18}}"), (r"\pi", r"\boxed{3.14}"), ("50\\%", r"\boxed{\frac12}"),
    ("B", r"\boxed{\text{(B)}}"),
)  # fmt: skip


def said(pairs: Pairs, workers: int, deadline: float = 1.0) -> Said:
    pool = Pool(JUDGE, workers=workers)
    try:
        results = pool.judge_all(Work(items=pairs, mode="lenient", deadline_seconds=deadline))
    finally:
        pool.close()
    return [(one.verdict.value, one.extracted, one.reason, one.path) for one in results]


def mixed(count: int) -> Pairs:
    pairs = [*ORDINARY * 3, *hostile_pairs(7, count, Path("/nowhere"))]
    random.Random(0).shuffle(pairs)
    return pairs


def test_workers_order_and_cold_starts_change_nothing() -> None:
    pairs = mixed(60)
    alone = said(pairs, 1)
    assert {verdict for verdict, *_ in alone} >= {"right", "wrong", "no_answer", "unparsable"}
    assert said(pairs, 3) == alone
    assert said(pairs[::-1], 2)[::-1] == alone
    assert [said([pair], 1)[0] for pair in pairs[:2]] == alone[:2]
    plain = [judge(gold, text) for gold, text in pairs]
    assert [(one.verdict.value, (one.extracted or "")[:2000], one.path) for one in plain] == [
        (verdict, extracted or "", path) for verdict, extracted, _, path in alone
    ]


@pytest.mark.slow
def test_a_busy_machine_changes_nothing() -> None:
    pairs = mixed(600)
    idle = said(pairs, usable_cores())
    with busy_loops(2 * usable_cores()):
        assert said(pairs, usable_cores()) == idle


@pytest.mark.slow
def test_math_500_on_a_busy_machine() -> None:
    if "GRPO_DATA" not in os.environ:
        pytest.skip("GRPO_DATA names no folder with math/math500.jsonl")
    lines = (Path(os.environ["GRPO_DATA"]) / "math" / "math500.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    golds, solutions = [row["answer"] for row in rows], [row["solution"] for row in rows]
    pairs = [*zip(golds, solutions, strict=True), *zip(golds, [*solutions[1:], solutions[0]], strict=True)]
    idle = said(pairs, 1)
    assert [verdict for verdict, *_ in idle[:500]].count("right") >= 498
    assert not {"timed_out", "error"} & {verdict for verdict, *_ in idle}
    with busy_loops(2 * usable_cores()):
        assert said(pairs[::-1], usable_cores())[::-1] == idle


def test_the_reasoning_that_is_not_sent_changes_nothing() -> None:
    thoughts = ("", "<think>", r"<think>so \boxed{9}", "<answer>9</answer>", "the answer is 9 </think> wait <think>")
    for gold, text in [*ORDINARY, *hostile_pairs(9, 60, Path("/nowhere"))]:
        for thought in thoughts:
            whole = f"{thought} then</think>{text}"
            assert judge(gold, after_reasoning(whole)) == judge(gold, whole), whole[:200]


def test_the_pool_knows_the_modes_of_the_judge() -> None:
    assert verifier.MODES == judge_module.MODES
