"""Evaluations and budgets that cannot be measured are refused before anything is loaded."""

from __future__ import annotations

import pytest

from grpo.config import check_evaluation
from grpo.config.check import check
from grpo.config.load import load_config
from grpo.rewards.text import THINK_CLOSE
from tests.config.helpers import refusal

BUDGET = ["+stage@stages.curve=budget", "pipeline=[cold_start,curve]", "stages.curve.model_from=cold_start"]
REFUSED = {
    "budgets=[]": "valid is at least one number of tokens",
    "budgets=[16,8]": "each larger than the one before",
    "budgets=[8,48]": "thinking and answer share stages.curve.rollout.max_tokens=48",
    "budgets=[0,8]": "valid is 1 or more",
    "samples_per_problem=4": "or stages.curve.rollout.temperature above 0",
    "waits=-1": "valid is 0 or more",
    "wait_text=''": "some text without </think>",
    "end_text='Final answer: '": "text with the end of thinking, </think>, in it",
}


@pytest.mark.parametrize("override", REFUSED)
def test_budgets_without_a_meaning(override: str) -> None:
    assert REFUSED[override] in refusal(*BUDGET, f"stages.curve.{override}")


def test_accepted() -> None:
    check(load_config(BUDGET))
    check(load_config([*BUDGET, "stages.curve.samples_per_problem=4", "stages.curve.rollout.temperature=0.6"]))


def test_greedy_sampling_is_refused() -> None:
    assert "the greedy completion is measured beside" in refusal("stages.rl_eval.rollout.temperature=0")


def test_evaluations_keep_their_own_sampling() -> None:
    config = load_config(["rollout.temperature=0.7", "rollout.top_p=0.9", "rollout.max_tokens=40"])
    rollout = config.stages["rl_eval"].rollout  # type: ignore[attr-defined]
    assert (rollout.temperature, rollout.top_p, rollout.max_tokens) == (1.0, 1.0, 40)
    assert config.stages["rl"].rollout.temperature == 0.7  # type: ignore[attr-defined]


def test_the_end_of_thinking_is_the_rewards() -> None:
    assert check_evaluation.THINK_CLOSE == THINK_CLOSE
