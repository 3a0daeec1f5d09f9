"""The embedded example learns, through real vLLM: a short cold start, then eighty GRPO steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from grpo.config.load import load_config
from grpo.run.pipeline import run_pipeline
from tests.run.running import metrics, newest, summary


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.parametrize("seed", [0, 1])
def test_grpo_raises_accuracy(seed: int, tmp_path: Path) -> None:
    """On a task small enough for minutes: sampled accuracy gains more than 20 points, its interval above 12."""
    overrides = [
        "logger=[file]",
        "data.arithmetic.operands=3",
        "data.arithmetic.largest_operand=5",
        "data.arithmetic.problems=500",
        "data.arithmetic.held_out=256",
        "stages.cold_start.steps=350",
        "stages.rl.steps=80",
        "optimizer.lr=2e-4",
        f"seed={seed}",
        f"run_root={tmp_path}",
    ]
    assert run_pipeline(load_config(overrides)) == 0
    found = summary(newest(tmp_path))
    gains = {entry["mode"]: entry for entry in found["eval_gain"]}
    assert gains["sampled"]["gain"] > 0.20 and gains["sampled"]["ci95"][0] > 0.12
    rewards = [line["reward"] for line in metrics(newest(tmp_path)) if line["stage"] == "rl"]
    assert sum(rewards[-10:]) / 10 - sum(rewards[:10]) / 10 > 0.15
    assert found["engine"]["name"] == "vllm" and found["sync_logprob_diff_max"] < 1e-4
