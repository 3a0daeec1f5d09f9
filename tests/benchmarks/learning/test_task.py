"""The task's runs: the order of problems that TRL is given, and the token budget."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.learning.task import RL, TaskSizes, cold_folder, our_run, problems_in_order
from benchmarks.learning.watch import budgeted, rounded, trained_by
from grpo.stages import reinforce

SMALL = TaskSizes(cold_steps=1, prompts=4, completions=2, max_tokens=24, held_out=8, small=True)


def test_cold_starts_serve_all_rollout_sizes(tmp_path: Path) -> None:
    """But not another number of supervised steps, or other held-out problems, which are then not trained on."""
    here = cold_folder(tmp_path, SMALL, 0)
    assert here == cold_folder(tmp_path, replace(SMALL, prompts=32, completions=16), 0)
    assert here != cold_folder(tmp_path, replace(SMALL, cold_steps=2), 0)
    assert here != cold_folder(tmp_path, replace(SMALL, held_out=9), 0)


def test_a_run_stops_at_its_budget_and_takes_problems_in_order(tmp_path: Path) -> None:
    """Steps after the budget are empty: no tokens, no rollouts; the stage's usual trainer is back afterwards."""
    course: list[dict[str, float]] = []
    usual = reinforce.ReinforceTrainer
    words = [f"pipeline=[{RL}]", f"stages.{RL}.model_from=base", f"stages.{RL}.steps=5", "optimizer.schedule=constant"]
    with trained_by(budgeted(200, course)):
        run = our_run(tmp_path, [*SMALL.overrides(3, threads=1), *words, "logger.file.rollouts_every=1"])
    assert reinforce.ReinforceTrainer is usual
    assert course[-1]["tokens"] >= 200 > course[-2]["tokens"] and 2 <= len(course) < 5
    summary = json.loads((run / "summary.json").read_text())
    assert summary["stages"][RL]["tokens_sampled"] == course[-1]["tokens"]
    files = sorted((run / "rollouts").glob("*.jsonl"))
    sampled = [json.loads(line)["prompt"] for file in files for line in file.read_text().splitlines()]
    order = problems_in_order(SMALL, 3, len(course) * SMALL.prompts)
    assert list(dict.fromkeys(sampled)) == [problem.prompt for problem in order]


def test_counts_are_not_rounded() -> None:
    assert rounded([{"tokens": 199_681.0, "accuracy": 1 / 3}]) == [{"tokens": 199_681.0, "accuracy": 0.33333}]


def test_a_failed_run_says_why(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with pytest.raises(ValueError, match="nowhere"):
        our_run(tmp_path, [*SMALL.overrides(0, threads=1), f"pipeline=[{RL}]", f"stages.{RL}.model_from={missing}"])
