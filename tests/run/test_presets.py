"""Every preset learns for three steps on the embedded task, at the smallest sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from grpo.config.load import load_config
from grpo.run.pipeline import run_pipeline
from tests.run.running import REWARD, metrics, newest

TINY = ["debug=tiny", "rollout=transformers", "logger=[file]", "threads=1", "reward.in_process=true"]
UNTAUGHT = [
    "stages.cold_start.steps=2",
    "stages.cold_start.demonstrations_per_step=8",
    "model.scratch.hidden_size=32",
    "model.scratch.intermediate_size=64",
]
"""No time to learn, so that the text stays random."""

ENGAGED: dict[str, dict[str, float]] = {
    "r1_zero": {"staleness/max": 15, "selection/max_tokens": 24},
    "dr_grpo": {"staleness/max": 7},
    "dapo": {"staleness/max": 15, "selection/groups_kept": 16},
    "gspo": {"staleness/max": 3},
    "cispo": {"staleness/max": 15, "selection/groups_kept": 16},
    "scalerl": {"staleness/max": 0, "selection/retired": 0, "ratio/mean": 1, "clip_ratio/region_mean": 0},
}
"""Metrics that show a preset's parts at work: its optimizer steps per rollout less one, and its selection."""


def rewards(preset: str) -> list[str]:
    """The preset's rewards with the share of digits for the first: a fresh model's random text differs in it."""
    reward = load_config([f"experiment={preset}"]).reward
    kept = list(zip(reward.functions, reward.weights, strict=True))[1:]
    names, weights = [REWARD, *(name for name, _ in kept)], [reward.weights[0], *(weight for _, weight in kept)]
    dropped = [f"~reward.settings.{name}" for name in reward.settings if name == reward.functions[0]]
    return [f"reward.functions=[{','.join(names)}]", f"reward.weights={weights}".replace(" ", ""), *dropped]


@pytest.mark.parametrize("preset", ENGAGED)
def test_three_steps(preset: str, tmp_path: Path) -> None:
    config = load_config([f"experiment={preset}", *TINY, *UNTAUGHT, *rewards(preset), f"run_root={tmp_path}"])
    assert run_pipeline(config) == 0
    folder = newest(tmp_path)
    lines = [line for line in metrics(folder) if line["stage"] == "rl"]
    assert [line["stage_step"] for line in lines] == [1, 2, 3]
    assert all(line["grad_norm"] > 0 and line["learning_rate"] > 0 for line in lines)
    assert all(line["frac_reward_zero_std"] < 0.5 for line in lines)
    for line in lines:
        assert {name: line[name] for name in ENGAGED[preset]} == ENGAGED[preset]
    assert all(("kl" in line) == (preset == "r1_zero") for line in lines)
    assert preset != "gspo" or any(line["clip_ratio/region_mean"] > 0 for line in lines)  # 3e-4 is near
    start = "cold_start" if "cold_start" in config.pipeline else "base"
    before = load_file(next(folder.glob(f"stages/{start}/model/model.safetensors"), folder / "base/model.safetensors"))
    after = load_file(folder / "model" / "model.safetensors")
    assert any(not torch.equal(before[name], tensor) for name, tensor in after.items())
