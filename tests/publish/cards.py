"""The run folder of a model card, written by hand."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from grpo.config.load import load_config, resolved
from grpo.publish.card import card_files
from grpo.publish.facts import gather
from grpo.report.read import read_run

SECRET = "hf_AbCdEf0123456789"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OVERRIDES = [
    "name=made_up", "seed=7", "model.name=Qwen/Qwen2.5-0.5B", "data=gsm8k", "algorithm.clip_high=0.28",
    "stages.rl.steps=3", "stages.cold_start.steps=2", "data.rows=400", "cost.price_per_device_hour=2.5",
    "reward.functions=[exact_integer,/home/someone/private/mine.py:near_miss,language_consistency]",
    "reward.weights=[1.0,0.25,0.5]", "reward.settings.language_consistency.target=en",
    "data.system_prompt='Think first.'",
]  # fmt: skip


def evaluation(stage: str, mode: str, accuracy: float, low: float, high: float) -> dict[str, Any]:
    return {"stage": stage, "split": "held_out", "mode": mode, "accuracy": accuracy, "ci95": [low, high], "n": 200,
            "samples_per_problem": 1, "pass_at_k": {"1": accuracy}}  # fmt: skip


def used(kind: str, seconds: float, sampled: int) -> dict[str, Any]:
    return {"kind": kind, "wall_seconds": seconds, "tokens_sampled": sampled, "tokens_trained": 1000,
            "peak_memory_bytes": 2**31, "device_hours": seconds / 3600, "cost": seconds / 3600 * 2.5}  # fmt: skip


@cache
def composed(*overrides: str) -> dict[str, Any]:
    return resolved(load_config([*OVERRIDES, *overrides]))


def make_run(folder: Path, *overrides: str) -> Path:
    """A run folder up to its export."""
    config = composed(*overrides)
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    summary = {
        "status": "running", "name": "made_up", "seed": 7, "git_commit": COMMIT,
        "versions": {"python": "3.11.7", "torch": "2.13.0", "odd": SECRET},
        "engine": {"name": "vllm", "version": "0.32.0"},
        "stages": {"cold_start": used("sft", 360.0, 0), "rl": used("reinforce", 7200.0, 123_456)},
        "cost": {"device_hours": 2.1, "amount": 5.25, "currency": "USD"},
        "eval": [evaluation("cold_start_eval", "greedy", 0.2, 0.15, 0.26),
                 evaluation("rl_eval", "sampled", 0.415, 0.349, 0.484),
                 evaluation("rl_eval", "greedy", 0.43, 0.363, 0.499)],
        "eval_gain": [{"from": "cold_start_eval", "to": "rl_eval", "mode": "greedy",
                       "gain": 0.23, "ci95": [0.17, 0.29], "whole": True}],
        "sync_logprob_diff_max": 3.2e-6,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary))
    lines = [{"step": step, "stage": "rl", "stage_step": step, "wall_time": float(step), "reward": 0.1 * step}
             for step in (1, 2, 3)]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def card_of(run: Path, base: Path | None = None) -> dict[str, str]:
    return card_files(gather(read_run(run), "export", base))
