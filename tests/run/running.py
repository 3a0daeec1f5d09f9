"""Runs of a tiny size, in this process or another, and what to compare between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from grpo.config.load import load_config
from grpo.run.pipeline import run_pipeline
from grpo.track.names import is_time_field

REWARD = f"{Path(__file__).parent}/digit_reward.py:digit_share"
SMALL = [
    "debug=tiny",
    "name=tiny",
    "stages.cold_start.steps=2",
    "stages.cold_start.demonstrations_per_step=8",
    "stages.rl.steps=2",
    "stages.rl.prompts_per_step=4",
    "model.scratch.hidden_size=32",
    "model.scratch.intermediate_size=64",
    "model.scratch.context=128",
    "checkpoint.every=1",
]
TINY = [*SMALL, "rollout=transformers", "logger=[file]", "threads=1"]
LEARNING = [
    f"reward.functions=[{REWARD}]",
    "reward.weights=[1.0]",
    "reward.in_process=true",
    "optimizer.lr=3e-3",
    "rollout.max_tokens=8",
]
"""Random text has digits: groups differ in reward, so that every step learns something."""


def run_here(root: Path, *overrides: str) -> tuple[int, Path]:
    """Exit code and run folder of a run in this process."""
    code = run_pipeline(load_config([*TINY, f"run_root={root}", *overrides]))
    return code, newest(root)


def newest(root: Path) -> Path:
    """The run folder made last."""
    return max((path for path in root.iterdir() if (path / "run.json").exists()), key=lambda path: path.name)


def command(root: Path, *overrides: str) -> list[str]:
    """The same run as a command of its own."""
    return [sys.executable, "-m", "grpo", *TINY, f"run_root={root}", *overrides]


def start(root: Path, *overrides: str) -> subprocess.Popen[str]:
    """A run in another process."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(root, *overrides),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without time fields."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "wall_time" and not is_time_field(k)} for line in lines]


def rollouts(folder: Path) -> dict[str, str]:
    """Rollout files by name."""
    return {path.name: path.read_text() for path in sorted((folder / "rollouts").iterdir())}


def assert_same_run(one: Path, other: Path) -> None:
    """Metrics, rollouts and final weights are equal, bit for bit."""
    assert metrics(one) == metrics(other)
    assert rollouts(one) == rollouts(other)
    first, second = (load_file(path / "model" / "model.safetensors") for path in (one, other))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.equal(second[name]), name


def summary(folder: Path) -> dict[str, Any]:
    """summary.json."""
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return content
