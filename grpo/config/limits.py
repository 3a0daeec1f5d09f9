"""What each knob may say, in one place; names with a registry are read from its source, without importing it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path

CHOICES: dict[str, tuple[str, ...]] = {
    "model.dtype": ("float32", "bfloat16"),
    "model.attention": ("shared_prompt", "flex", "sdpa", "eager"),
    "model.activations": ("keep", "recompute", "offload"),
    "model.scratch.tokenizer": ("bytes", "bpe"),
    "data.source": ("arithmetic", "files"),
    "data.on_bad_row": ("fail", "skip"),
    "algorithm.importance": ("truncate", "mask", "off"),
    "algorithm.importance_level": ("token", "sequence", "geometric"),
    "algorithm.kl_in": ("loss", "reward"),
    "algorithm.dead_groups": ("count", "exclude"),
    "algorithm.truncated": ("learn", "mask"),
    "algorithm.selection.curriculum": ("uniform", "pass_rate"),
    "rollout.engine": ("vllm", "transformers", "scripted"),
    "optimizer.name": ("adamw", "compact_adamw"),
    "optimizer.states": ("device", "host"),
    "optimizer.schedule": ("constant", "linear", "cosine"),
}
"""Dotted key of a top-level slice to its valid values; a stage's copy of the slice obeys the same."""

REGISTRIES = {
    "algorithm.advantage": ("algorithm/advantages", "ADVANTAGES"),
    "algorithm.loss": ("algorithm/losses", "LOSSES"),
    "algorithm.reduction": ("algorithm/reductions", "REDUCTIONS"),
    "algorithm.kl_estimator": ("algorithm/kl", "ESTIMATORS"),
    "data.arithmetic.languages": ("data/arithmetic_words.py", "WORDINGS"),
    "reward.functions": ("rewards/registry.py", "REGISTERED"),
    "alarms.stop": ("track/alarms", "ALARMS"),
    "alarms.off": ("track/alarms", "ALARMS"),
}
"""Dotted key to the place below `grpo/`, and the name, of the dict whose keys are its valid values."""


Range = tuple[str, Callable[[float], bool]]

POSITIVE_INT: Range = ("1 or more", lambda value: value >= 1)
NOT_NEGATIVE: Range = ("0 or more", lambda value: value >= 0)
POSITIVE: Range = ("above 0", lambda value: value > 0)
SHARE: Range = ("from 0 to 1", lambda value: 0 <= value <= 1)
POSITIVE_SHARE: Range = ("above 0 and at most 1", lambda value: 0 < value <= 1)
DECAY: Range = ("from 0 to below 1", lambda value: 0 <= value < 1)

RANGES: dict[str, Range] = {
    **dict.fromkeys(
        (
            "model.scratch.vocab_size",
            "model.scratch.hidden_size",
            "model.scratch.layers",
            "model.scratch.attention_heads",
            "model.scratch.key_value_heads",
            "model.scratch.intermediate_size",
            "model.scratch.context",
            "data.eval_rows",
            "data.rows",
            "data.arithmetic.problems",
            "data.arithmetic.held_out",
            "data.arithmetic.largest_operand",
            "algorithm.selection.max_batches",
            "algorithm.selection.length_limits",
            "rollout.completions_per_prompt",
            "rollout.max_tokens",
            "optimizer.max_tokens_per_micro_batch",
            "checkpoint.every",
            "checkpoint.keep",
            "stage.steps",
            "stage.demonstrations_per_step",
            "stage.prompts_per_step",
            "stage.optimizer_steps_per_rollout",
            "stage.samples_per_problem",
            "stage.budgets",
            "stage.per_problem",
            "stage.student_samples",
        ),
        POSITIVE_INT,
    ),
    **dict.fromkeys(
        (
            "seed",
            "threads",
            "model.lora.rank",
            "algorithm.kl_coef",
            "algorithm.entropy_coef",
            "algorithm.covariance_coef",
            "algorithm.covariance_low",
            "algorithm.covariance_high",
            "algorithm.importance_floor",
            "algorithm.max_staleness",
            "algorithm.reference_reset_steps",
            "algorithm.selection.length_steps",
            "rollout.temperature",
            "rollout.top_k",
            "optimizer.weight_decay",
            "optimizer.warmup_steps",
            "cost.price_per_device_hour",
            "logger.file.rollouts_every",
            "data.arithmetic.seed",
            "algorithm.clip_high",
            "stage.waits",
            "stage.select",
            "stage.decontaminate",
        ),
        NOT_NEGATIVE,
    ),
    **dict.fromkeys(
        (
            "rollout.deadline_seconds",
            "rollout.cpu_kv_cache_gib",
            "rollout.max_logprob_diff",
            "reward.deadline_seconds",
            "optimizer.lr",
            "optimizer.eps",
            "optimizer.max_grad_norm",
            "model.lora.alpha",
            "algorithm.importance_cap",
            "algorithm.sapo_positive",
            "algorithm.sapo_negative",
            "model.scratch.rope_theta",
        ),
        POSITIVE,
    ),
    **dict.fromkeys(
        (
            "reward.max_error_share",
            "data.arithmetic.wrong_steps",
            "data.arithmetic.mixed_steps",
            "data.arithmetic.reconsidered",
            "algorithm.clip_low",
            "rollout.min_p",
        ),
        SHARE,
    ),
    **dict.fromkeys(
        (
            "rollout.top_p",
            "rollout.gpu_memory_utilization",
            "algorithm.covariance_share",
            "algorithm.selection.retire_above",
        ),
        POSITIVE_SHARE,
    ),
    **dict.fromkeys(("optimizer.beta1", "optimizer.beta2"), DECAY),
    "algorithm.dual_clip": ("0, or above 1", lambda value: value == 0 or value > 1),
    "algorithm.selection.oversample": ("1 or more", lambda value: value >= 1),
    "data.arithmetic.operands": ("2 or more", lambda value: value >= 2),
}
"""Dotted key to what is valid; a stage's copy of a slice obeys the same, its own knobs are `stage.<knob>`."""


@cache
def registered(key: str) -> tuple[str, ...]:
    """The names in the registry behind a knob. Losses and reductions import torch, so the source is read instead."""
    place, name = REGISTRIES[key]
    path = Path(__file__).parents[1] / place
    path = path if path.suffix == ".py" else path / "__init__.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if node.target.id == name and isinstance(node.value, ast.Dict):
            return tuple(str(one.value) for one in node.value.keys if isinstance(one, ast.Constant))
    raise AssertionError(f"{path} has no dict {name}")


def valid(key: str) -> tuple[str, ...] | None:
    """The valid values of a text knob, or of each text of a list; None where any text goes."""
    if key == "reward.functions":
        return None
    return registered(key) if key in REGISTRIES else CHOICES.get(key)
