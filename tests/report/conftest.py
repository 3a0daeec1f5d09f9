"""A run folder such as a real pipeline leaves behind, in a fraction of a second."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from grpo.config.slices import LoggerConfig
from grpo.track.records import RolloutRecord, ScoredCompletion, ScoredGroup
from grpo.track.tracker import Tracker, open_tracker
from grpo.types import StepMetrics

PIPELINE = ["before", "cold_start", "warm", "rl", "after"]
FINAL_ACCURACY = 0.546875


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the made-up run is like."""

    seed: int = 0
    sft_steps: int = 30
    rl_steps: int = 60
    groups: int = 3
    completions: int = 4
    hostile: str = ""
    """Put into every place that a model or a data set writes."""


def make_run(folder: Path, plan: Plan | None = None) -> Path:
    """A finished run of five stages."""
    plan = plan or Plan()
    config = {
        "name": "arithmetic",
        "seed": plan.seed,
        "pipeline": PIPELINE,
        "model": {"name": "scratch"},
        "rollout": {"engine": "vllm", "max_tokens": 48},
        "hub": {"api_key": "hf_verysecretvalue"},
    }
    tracker = open_tracker(folder, LoggerConfig(), "arithmetic", config, None)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    maker = _Maker(plan, tracker)
    maker.evaluate("before", 0.02)
    maker.supervised("cold_start")
    maker.evaluate("warm", 0.28)
    maker.reinforce("rl")
    maker.evaluate("after", FINAL_ACCURACY)
    tracker.close("finished")
    (folder / "summary.json").write_text(json.dumps(_summary(plan)))
    return folder


class _Maker:
    def __init__(self, plan: Plan, tracker: Tracker) -> None:
        self.plan, self.tracker, self.step = plan, tracker, 0
        self.random = random.Random(plan.seed)

    def log(self, stage: str, stage_step: int, values: dict[str, float]) -> None:
        self.step += 1
        self.tracker.log(
            StepMetrics(
                step=self.step,
                stage=stage,
                stage_step=stage_step,
                values=values | {"memory/peak_rss_bytes": 1.4e9 + 1e6 * self.step},
            )
        )

    def evaluate(self, stage: str, accuracy: float) -> None:
        values = {}
        for mode, value in (("sampled", accuracy), ("greedy", min(1.0, accuracy * 1.2))):
            values |= {
                f"eval/{mode}_accuracy": value,
                f"eval/{mode}_accuracy_low": max(0.0, value - 0.04),
                f"eval/{mode}_accuracy_high": value + 0.04,
            }
        self.log(stage, 1, values | {"eval/format": 0.97, "step_time": 3.0, "time/rollout": 2.6, "time/sync": 0.2})

    def supervised(self, stage: str) -> None:
        for index in range(self.plan.sft_steps):
            fade = math.exp(-8 * index / self.plan.sft_steps)
            self.log(
                stage,
                index + 1,
                {
                    "loss": 0.6 + 2.2 * fade + self.random.gauss(0, 0.03),
                    "learning_rate": 1e-3,
                    "grad_norm": 0.5 + fade,
                    "step_time": 0.4,
                    "time/update": 0.37,
                },
            )

    def reinforce(self, stage: str) -> None:
        for index in range(self.plan.rl_steps):
            done = index / self.plan.rl_steps
            right = 0.28 + 0.27 * (1 - math.exp(-2.5 * done)) / (1 - math.exp(-2.5)) + self.random.gauss(0, 0.03)
            self.log(stage, index + 1, self._reinforce_values(right, done))
            if self.tracker.wants_groups(self.step):
                groups = tuple(self._group(right, place) for place in range(self.plan.groups))
                self.tracker.log_groups(RolloutRecord(step=self.step, stage=stage, groups=groups))

    def _reinforce_values(self, right: float, done: float) -> dict[str, float]:
        noise = self.random.gauss
        return {
            "reward": right + 0.1 * 0.97,
            "reward_std": 0.4 - 0.1 * done,
            "rewards/exact_integer/mean": right,
            "rewards/exact_integer/std": 0.4,
            "rewards/think_answer_format/mean": 0.9 + 0.08 * done + noise(0, 0.005),
            "frac_reward_zero_std": 0.2 + 0.1 * done + noise(0, 0.03),
            "all_zero_ratio": 0.1,
            "all_one_ratio": 0.1,
            "reward_errors": 0.0,
            "completions/mean_length": 28 + 3 * done + noise(0, 0.4),
            "completions/clipped_ratio": abs(noise(0.01, 0.005)),
            "entropy": 0.45 - 0.2 * done + noise(0, 0.01),
            "clip_ratio/region_mean": 0.0,
            "grad_norm": abs(noise(0.8, 0.1)),
            "learning_rate": 5e-5,
            "loss": noise(0, 1e-3),
            "sampling/sampling_logp_difference/max": abs(noise(4e-6, 1e-6)),
            "step_time": abs(noise(2.1, 0.1)),
            "time/rollout": 1.2,
            "time/reward": 0.05,
            "time/update": 0.7,
            "time/sync": 0.08,
            "num_tokens": 256.0 * 40 * self.step,
        }

    def _group(self, right: float, place: int) -> ScoredGroup:
        totals = [1.1 if self.random.random() < right else 0.1 for _ in range(self.plan.completions)]
        mean = sum(totals) / len(totals)
        spread = math.sqrt(sum((total - mean) ** 2 for total in totals) / len(totals)) or 1.0
        one, two, three, four = (self.random.randint(0, 9) for _ in range(4))
        gold = one + two - three + four
        numbers = (one, two, three, four)
        completions = tuple(self._completion(total, (total - mean) / spread, numbers) for total in totals)
        return ScoredGroup(
            problem_id=f"p{place}",
            prompt_text=f"{one}+{two}-{three}+{four}={self.plan.hostile}",
            answer=f"{gold}{self.plan.hostile}",
            completions=completions,
        )

    def _completion(self, total: float, advantage: float, numbers: tuple[int, ...]) -> ScoredCompletion:
        one, two, three, four = numbers
        wrong = 0 if total > 1 else self.random.choice((-2, -1, 1, 2))
        steps = f"{one}+{two}={one + two};{one + two}-{three}={one + two - three + wrong};"
        last = one + two - three + wrong + four
        body = f"<think>{steps}{one + two - three + wrong}+{four}={last}</think><answer>{last}</answer>"
        return ScoredCompletion(
            text=body + self.plan.hostile,
            token_ids=tuple(range(len(body) // 3)),
            total=total,
            finish_reason="stop",
            weight_version=self.step,
            advantage=advantage,
            rewards=(("exact_integer", float(total > 1)), ("think_answer_format", 1.0)),
        )


def _summary(plan: Plan) -> dict[str, Any]:
    def stage(kind: str, seconds: float, sampled: int, trained: int) -> dict[str, Any]:
        return {
            "kind": kind,
            "wall_seconds": seconds,
            "tokens_sampled": sampled,
            "tokens_trained": trained,
            "peak_memory_bytes": 1.5e9,
            "device_hours": seconds / 3600,
            "cost": seconds / 3600 * 0.4,
        }

    def entry(name: str, mode: str, value: float) -> dict[str, Any]:
        return {
            "stage": name,
            "split": "held_out",
            "mode": mode,
            "accuracy": value,
            "n": 512,
            "ci95": [max(0.0, value - 0.043), value + 0.043],
            "samples_per_problem": 4 if mode == "sampled" else 1,
            "pass_at_k": {"1": value},
        }

    # Keys are sorted on purpose: the order of stages must come from the pipeline.
    stages = {
        "after": stage("evaluate", 12.0, 60000, 0),
        "before": stage("evaluate", 14.0, 90000, 0),
        "cold_start": stage("sft", 13.0, 0, 700000),
        "rl": stage("reinforce", 126.0, 440000, 430000),
        "warm": stage("evaluate", 12.0, 60000, 0),
    }
    values = {"before": 0.02, "warm": 0.28, "after": FINAL_ACCURACY}
    evals = [
        entry(name, mode, value * scale)
        for name, value in values.items()
        for mode, scale in (("sampled", 1.0), ("greedy", 1.15))
    ]
    return {
        "status": "finished",
        "name": "arithmetic",
        "seed": plan.seed,
        "stages": stages,
        "eval": evals,
        "git_commit": "8e2c4c4b1f0d4a3e9c55aa10b7d2a2ff01020304-dirty",
        "sync_logprob_diff_max": 4.2e-6,
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.19.0"},
        "engine": {"name": "vllm", "version": "0.32.0"},
        "cost": {"device_hours": 177 / 3600, "amount": 177 / 3600 * 0.4, "currency": "USD"},
    }


@pytest.fixture
def run_maker(tmp_path: Path) -> Callable[..., Path]:
    """Call with a name and the fields of `Plan`."""
    return lambda name="run", **fields: make_run(tmp_path / name, Plan(**fields))
