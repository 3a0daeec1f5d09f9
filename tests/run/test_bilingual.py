"""The bilingual task's pipelines at the smallest sizes: rows, rewards and evaluations of every stage in the summary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grpo.config.load import load_config
from grpo.run.pipeline import run_pipeline
from tests.run.running import metrics, newest

TINY = ["debug=tiny", "rollout=transformers", "logger=[file]", "threads=1"]
NAMES = ["think_answer_format", "language_consistency"]


@pytest.mark.parametrize(
    ("words", "evaluations"),
    [
        (["experiment=bilingual"], ["cold_start_eval", "rl_eval"]),
        (["experiment=r1"], ["cold_start_eval", "rl1_eval", "sft2_eval", "rl2_eval"]),
    ],
)
def test_every_stage_has_its_figures_with_intervals(words: list[str], evaluations: list[str], tmp_path: Path) -> None:
    assert run_pipeline(load_config([*words, *TINY, f"run_root={tmp_path}"])) == 0
    folder = newest(tmp_path)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert [(e["stage"], e["mode"]) for e in summary["eval"]] == [
        (stage, mode) for stage in evaluations for mode in ("sampled", "greedy")
    ]
    assert all(sorted(entry["rewards"]) == sorted(NAMES) for entry in summary["eval"])
    lines = {line["stage"]: line for line in metrics(folder)}
    for entry in summary["eval"]:
        for name, found in entry["rewards"].items():
            low, high = found["ci95"]
            assert found["n"] == 8 and low <= found["mean"] <= high
            if entry["mode"] == "sampled":
                assert lines[entry["stage"]][f"eval/rewards/{name}"] == found["mean"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_model_learns_enough_for_rejection_sampling(seed: int, tmp_path: Path) -> None:
    """`debug=tiny` teaches it some sums and the template: rejection sampling keeps a few completions in any seed."""
    words = ["experiment=r1", "pipeline=[cold_start,rl1,rejection]", f"seed={seed}"]
    assert run_pipeline(load_config([*words, *TINY, f"run_root={tmp_path}"])) == 0
    counts = json.loads((newest(tmp_path) / "summary.json").read_text())["data_sets"]["rejection"]
    assert counts["sampled"] == 256 and counts["kept"] >= 5


def test_without_the_language_reward_it_is_measured_and_not_learnt(tmp_path: Path) -> None:
    """A completion's reward is the weighted sum: with a weight of 0 the share of the language is no part of it."""
    words = ["experiment=bilingual", "stages.rl.reward.weights=[1.0,0.1,0.0]", "pipeline=[rl]", "stages.rl.steps=1"]
    assert run_pipeline(load_config([*words, "stages.rl.model_from=base", *TINY, f"run_root={tmp_path}"])) == 0
    [line] = metrics(newest(tmp_path))
    wanted = line["rewards/exact_integer/mean"] + 0.1 * line["rewards/think_answer_format/mean"]
    assert line["reward"] == pytest.approx(wanted) and "rewards/language_consistency/mean" in line
