"""The presets hold their sources' numbers, written down here a second time, and `debug=tiny` changes sizes alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import grpo.conf
from grpo.config.check import check
from grpo.config.load import load_config, resolved
from grpo.config.schema import EvaluateConfig
from tests.config.helpers import refusal

EXPERIMENTS = Path(grpo.conf.__file__).parent / "experiment"
PEOPLE = ("model=hf", "model.name=owner/name", "data=gsm8k", "rollout=transformers")
"""What comes with a preset: a model and problems. Some limits are longer than the scratch model's context."""

SOURCES: dict[str, dict[str, Any]] = {
    # Nature 645:633 and arXiv 2501.12948: 32 questions x 16 outputs an update, 8,192 outputs a rollout, eps 10,
    # KL 0.001 in the loss, reference replaced every 400 updates, 10,400 updates, lr 3e-6, limit 32,768 then 65,536.
    "r1_zero": {
        "algorithm.advantage": "group_mean_std",
        "algorithm.loss": "clipped_ratio",
        "algorithm.reduction": "sequence_mean",
        "algorithm.clip_high": 10.0,
        "algorithm.kl_coef": 0.001,
        "algorithm.kl_estimator": "k3",
        "algorithm.kl_in": "loss",
        "algorithm.reference_reset_steps": 400 // 16,
        "algorithm.dead_groups": "count",
        "algorithm.selection.length_steps": [0, 8200 // 16],
        "algorithm.selection.length_limits": [32768, 65536],
        "reward.functions": ["math_answer", "think_answer_format"],
        "reward.weights": [1.0, 1.0],
        "optimizer.lr": 3e-6,
        "rollout.completions_per_prompt": 16,
        "rollout.temperature": 1.0,
        "rollout.max_tokens": 65536,
        "stages.rl.model_from": "base",
        "stages.rl.steps": 10400 // 16,
        "stages.rl.prompts_per_step": 8192 // 16,
        "stages.rl.optimizer_steps_per_rollout": 16,
        "pipeline": ["rl", "rl_eval", "export"],
    },
    # arXiv 2503.20783 and its qwen2.5-math-7b.sh: r - mean, sum over 3,000 tokens, beta 0, 128 x 8, lr 1e-6 constant.
    "dr_grpo": {
        "algorithm.advantage": "group_mean",
        "algorithm.loss": "clipped_ratio",
        "algorithm.reduction": "constant_length",
        "algorithm.clip_low": 0.2,
        "algorithm.clip_high": 0.2,
        "algorithm.kl_coef": 0.0,
        "reward.functions": ["math_answer"],
        "optimizer.lr": 1e-6,
        "rollout.completions_per_prompt": 8,
        "rollout.temperature": 1.0,
        "rollout.max_tokens": 3000,
        "stages.rl.prompts_per_step": 128,
        "stages.rl.optimizer_steps_per_rollout": 128 * 8 // 128,
        "stages.rl.optimizer.schedule": "constant",
    },
    # arXiv 2503.14476, 4.1: 512 x 16, minibatch 512, .2/.28, lr 1e-6, warm-up 20 rollouts, 16,384 + 4,096 tokens.
    "dapo": {
        "algorithm.advantage": "group_mean_std",
        "algorithm.loss": "clipped_ratio",
        "algorithm.reduction": "token_mean",
        "algorithm.clip_low": 0.2,
        "algorithm.clip_high": 0.28,
        "algorithm.kl_coef": 0.0,
        "algorithm.dead_groups": "exclude",
        "algorithm.truncated": "learn",
        "algorithm.selection.refill": True,
        "algorithm.selection.max_batches": 10,
        "reward.weights": [2.0, 1.0],
        "reward.settings.soft_overlong.max_tokens": 20480,
        "reward.settings.soft_overlong.cache_tokens": 4096,
        "optimizer.lr": 1e-6,
        "optimizer.warmup_steps": 20 * 16,
        "rollout.completions_per_prompt": 16,
        "rollout.max_tokens": 16384 + 4096,
        "stages.rl.prompts_per_step": 512,
        "stages.rl.optimizer_steps_per_rollout": 512 * 16 // 512,
        "stages.rl.optimizer.schedule": "constant",
    },
    # arXiv 2507.18071, 5.1: 3e-4 / 4e-4, four minibatches a rollout.
    "gspo": {
        "algorithm.advantage": "group_mean_std",
        "algorithm.loss": "gspo",
        "algorithm.reduction": "sequence_mean",
        "algorithm.clip_low": 3e-4,
        "algorithm.clip_high": 4e-4,
        "algorithm.kl_coef": 0.0,
        "stages.rl.optimizer_steps_per_rollout": 4,
    },
    # arXiv 2506.13585, 3.1 and 3.2: upper bound only (5 in TRL and ScaleRL), 16 rounds, AdamW .9/.95/1e-15, no KL.
    "cispo": {
        "algorithm.advantage": "group_mean_std",
        "algorithm.loss": "cispo",
        "algorithm.reduction": "token_mean",
        "algorithm.clip_low": 1.0,
        "algorithm.clip_high": 5.0 - 1.0,
        "algorithm.kl_coef": 0.0,
        "algorithm.selection.refill": True,
        "optimizer.beta1": 0.9,
        "optimizer.beta2": 0.95,
        "optimizer.eps": 1e-15,
        "stages.rl.optimizer_steps_per_rollout": 16,
    },
    # arXiv 2510.13786: 48 x 16, batch std, prompt mean, weights up to 5, 0.9, lr 5e-7, eps 1e-15, wd 0.01, warm-up 100.
    "scalerl": {
        "algorithm.advantage": "group_mean_batch_std",
        "algorithm.loss": "cispo",
        "algorithm.reduction": "prompt_mean",
        "algorithm.clip_low": 1.0,
        "algorithm.clip_high": 5.0 - 1.0,
        "algorithm.importance_cap": 5.0,
        "algorithm.kl_coef": 0.0,
        "algorithm.dead_groups": "exclude",
        "algorithm.max_staleness": 8,
        "algorithm.selection.refill": False,
        "algorithm.selection.retire_above": 0.9,
        "reward.weights": [2.0],
        "optimizer.lr": 5e-7,
        "optimizer.eps": 1e-15,
        "optimizer.weight_decay": 0.01,
        "optimizer.warmup_steps": 100,
        "rollout.completions_per_prompt": 16,
        "rollout.max_tokens": 12288 + 2048,
        "stages.rl.prompts_per_step": 48,
        "stages.rl.optimizer_steps_per_rollout": 1,
        "stages.rl.optimizer.schedule": "constant",
    },
    # arXiv 2501.19393: 1,000 of 59K, 5 epochs in batches of 16: 315 steps, lr 1e-5, warm-up 16, cosine, wd 1e-4.
    "s1": {
        "pipeline": ["distill", "sft", "sft_eval", "export"],
        "optimizer.lr": 1e-5,
        "optimizer.beta1": 0.9,
        "optimizer.beta2": 0.95,
        "optimizer.weight_decay": 1e-4,
        "optimizer.max_tokens_per_micro_batch": 32768,
        "rollout.completions_per_prompt": 1,
        "rollout.max_tokens": 32768,
        "reward.functions": ["math_answer", "boxed_answer"],
        "stages.distill.model_from": "base",
        "stages.distill.select": 1000,
        "stages.distill.per_problem": 1,
        "stages.distill.decontaminate": 8,
        "stages.distill.student_samples": 1,
        "stages.sft.model_from": "base",
        "stages.sft.data_from": "distill",
        "stages.sft.steps": 315,
        "stages.sft.demonstrations_per_step": 16,
        "stages.sft.optimizer.lr": 1e-5,
        "stages.sft.optimizer.schedule": "cosine",
        "stages.sft.optimizer.warmup_steps": 16,
        "stages.sft_eval.rollout.max_tokens": 32000,
        "stages.export.model_from": "sft",
    },
}
SIZES = (
    "model.scratch.",
    "data.eval_rows",
    "data.arithmetic.",
    "rollout.completions_per_prompt",
    "rollout.max_tokens",
    "algorithm.selection.length_limits",
    "checkpoint.every",
)
"""What `debug=tiny` may change, at the top level and in what stages take from it."""
STAGE_SIZES = ("steps", "demonstrations_per_step", "prompts_per_step")


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of every leaf."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@cache
def leaves(*overrides: str) -> dict[str, Any]:
    """Dotted path and value of every leaf of a config; raises ConfigError for what the check refuses.

    A preset alone is not checked: the scratch model's context is too short for most.
    """
    config = load_config(overrides)
    if len(overrides) > 1:
        check(config)
    return dict(flat(resolved(config)))


@pytest.mark.parametrize("name", SOURCES)
def test_numbers_are_the_sources(name: str) -> None:
    found = leaves(f"experiment={name}", *PEOPLE)
    wanted = SOURCES[name]
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.parametrize("name", SOURCES)
def test_the_stage_learns_as_the_preset_says(name: str) -> None:
    """What a preset sets at the top level is what its RL stage has."""
    found = leaves(f"experiment={name}")
    shared = [key for key in SOURCES[name] if key.startswith(("algorithm.", "optimizer.", "rollout.", "reward."))]
    assert shared and {key: found[f"stages.rl.{key}"] for key in shared} == {key: found[key] for key in shared}


@pytest.mark.parametrize("name", SOURCES)
def test_model_and_data_are_left_to_the_user(name: str) -> None:
    found = leaves(f"experiment={name}")
    plain = leaves()
    changed = {key for key in found if key.startswith(("model.", "data.")) and found[key] != plain[key]}
    assert changed <= {"data.prompt_template", "data.system_prompt"}


@pytest.mark.parametrize("name", [path.stem for path in EXPERIMENTS.glob("*.yaml")])
def test_debug_changes_sizes_alone(name: str) -> None:
    large, small = leaves(f"experiment={name}"), leaves(f"experiment={name}", "debug=tiny")
    assert small.keys() == large.keys()
    changed = {key for key in small if small[key] != large[key]}
    own = {key.split(".", 2)[2] if key.startswith("stages.") else key for key in changed}
    assert {key for key in own if not key.startswith(SIZES)} <= set(STAGE_SIZES)
    assert small["name"] == large["name"]


def test_debug_is_small() -> None:
    found = leaves("experiment=dapo", "debug=tiny")
    assert (found["stages.rl.steps"], found["stages.rl.prompts_per_step"], found["rollout.max_tokens"]) == (3, 16, 24)


def test_numbers_have_their_source_beside_them() -> None:
    """Every number of a preset stands on a line with a comment, or the line before is one."""
    for name in SOURCES:
        lines = (EXPERIMENTS / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            code, _, comment = line.partition("#")
            if re.search(r"[:\[,] *-?[\d.]+(e-?\d+)?(?=[\s,\]}]|$)", code):
                assert comment or before.strip().startswith("#"), f"{name}: {line}"


def test_the_template_of_r1_zero_is_the_papers() -> None:
    template = load_config(["experiment=r1_zero"]).data.prompt_template
    assert template is not None
    assert template.startswith("A conversation between User and Assistant. The user asks a question, and the Assistant")
    assert template.endswith("<answer> answer here </answer>. User: {prompt}. Assistant:")
    assert "  " not in template and "\n" not in template and len(template) < 520


def test_another_limit_makes_the_length_schedule_flat() -> None:
    selection = load_config(["experiment=r1_zero", "rollout.max_tokens=4096"]).algorithm.selection
    assert selection.length_limits == [4096, 4096]


def test_the_evaluation_of_s1_follows_another_limit() -> None:
    """Its context of 32,768 cannot hold a question and so many tokens; with a limit of the user's it is that one."""
    found = load_config(["experiment=s1", "rollout.max_tokens=4096"]).stages["sft_eval"]
    assert isinstance(found, EvaluateConfig) and found.rollout.max_tokens == 4096


def test_templates_have_one_place_and_stand_alone() -> None:
    assert "text with {prompt} once" in refusal("data.prompt_template=hello")
    assert "one of the two" in refusal("data.prompt_template='{prompt}'", "data.system_prompt=hello")
