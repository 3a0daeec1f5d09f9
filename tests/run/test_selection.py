"""Every kind of selection at once in a real run: it learns from what it should, and resumes bit for bit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.run.running import LEARNING, assert_same_run, metrics, newest, run_here, summary
from tests.run.test_resume import Died, die_after

PROMPTS, GROUP = 4, 2
SELECTING = [
    *LEARNING,
    f"reward.functions=[{Path(__file__).parent}/digit_reward.py:odd_start]",
    "pipeline=[rl,export]",
    "stages.rl.model_from=base",
    "stages.rl.steps=6",
    f"stages.rl.prompts_per_step={PROMPTS}",
    f"rollout.completions_per_prompt={GROUP}",
    "data.arithmetic.problems=9",
    "checkpoint.every=2",
    "algorithm.selection.refill=true",
    "algorithm.selection.max_batches=3",
    "algorithm.selection.oversample=1.5",
    "algorithm.selection.curriculum=pass_rate",
    "algorithm.selection.retire_above=0.95",
    "algorithm.selection.length_steps=[0,3]",
    "algorithm.selection.length_limits=[4,6]",
]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    code, folder = run_here(tmp_path_factory.mktemp("unbroken"), *SELECTING)
    assert code == 0
    return folder


def groups(folder: Path, step: int) -> list[dict[str, Any]]:
    text = (folder / "rollouts" / f"step_{step:06d}.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_what_the_run_says_of_itself(unbroken: Path) -> None:
    lines = metrics(unbroken)
    assert [line["stage"] for line in lines] == ["rl"] * 6
    tokens = 0
    for line in lines:
        found = groups(unbroken, line["step"])
        assert len(found) == line["selection/batches"] * PROMPTS
        assert line["selection/groups_kept"] + line["selection/groups_thrown_away"] == len(found)
        assert line["selection/groups_kept"] == PROMPTS or line["selection/batches"] == 3
        rewards = [[one["total"] for one in group["completions"]] for group in found]
        assert line["reward"] == pytest.approx(sum(map(sum, rewards)) / (GROUP * len(rewards)))
        assert line["all_zero_ratio"] == rewards.count([0.0] * GROUP) / len(rewards)
        assert line["all_one_ratio"] == rewards.count([1.0] * GROUP) / len(rewards)
        assert line["frac_reward_zero_std"] == pytest.approx(line["all_zero_ratio"] + line["all_one_ratio"])
        kept = [group for group in found if group["completions"][0]["advantage"] is not None]
        assert len(kept) == line["selection/groups_kept"]
        assert all(len({one["total"] for one in group["completions"]}) == 2 for group in kept)
        limit = 4 if line["stage_step"] <= 3 else 6
        assert line["selection/max_tokens"] == limit == line["completions/max_length"]
        tokens += sum(len(one["token_ids"]) for group in found for one in group["completions"])
        tokens += line["selection/tokens_discarded"]
        assert line["selection/groups_stopped"] == 2 * line["selection/batches"]
    assert summary(unbroken)["stages"]["rl"]["tokens_sampled"] == tokens
    assert 1 < sum(line["selection/batches"] for line in lines) / 6 < 3


def test_it_resumes_bit_for_bit(unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step, resume in ((3, "never"), (5, "auto")):
        with monkeypatch.context() as patch:
            die_after(step, patch)
            with pytest.raises(Died):
                run_here(tmp_path, *SELECTING, f"resume={resume}")
    assert len(metrics(newest(tmp_path))) == 5
    _, folder = run_here(tmp_path, *SELECTING, "resume=auto")
    assert_same_run(folder, unbroken)
    assert summary(folder)["stages"]["rl"]["tokens_sampled"] == summary(unbroken)["stages"]["rl"]["tokens_sampled"]
    assert any(line["selection/retired"] > 0 for line in metrics(folder))
    assert math.isfinite(metrics(folder)[-1]["selection/pass_rate"])


def test_a_step_without_live_groups_is_skipped_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    constant = ["reward.functions=[exact_integer]", "reward.in_process=false", "logger=[file,console]"]
    code, folder = run_here(tmp_path, *SELECTING, *constant, "stages.rl.steps=1")
    assert code == 0
    (line,) = metrics(folder)
    assert line["selection/groups_kept"] == 0 and line["all_zero_ratio"] == 1.0 and "grad_norm" not in line
    said = "step 1: rewards differ in none of 12 groups of 3 samplings: the optimizer skips the step"
    assert said in (folder / "run.log").read_text()
