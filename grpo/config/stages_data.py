"""The stages that write a data set of a model's right answers, for supervised stages to train on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from grpo.config.schema import StageConfig, inherited
from grpo.config.slices import RewardConfig, RolloutConfig

ENDPOINT_SCHEMES = ("http://", "https://")
SAMPLED_AT_ONCE = 512
"""Completions of one call of the engine, after which the stage writes what it has."""


@dataclass
class DataSetConfig(StageConfig):
    """What the stages that sample, verify and filter have in common."""

    per_problem: int = 4
    """Most completions of a problem that are kept: the first ones that pass every filter, in the order of sampling."""
    mix_path: Optional[str] = None
    """A .jsonl or .parquet file with general rows (the prompt column, and `demonstration`, taken as it is), a quarter
    of the data set; unset: none."""
    decontaminate: int = 10
    """Drop problems that share so many words in a row with a held-out problem of the pipeline's evaluations; those that
    are generated, or shorter, must be equal. 0: keep them."""
    rollout: RolloutConfig = field(default_factory=lambda: inherited(RolloutConfig, "rollout"))
    reward: RewardConfig = field(default_factory=lambda: inherited(RewardConfig, "reward"))


@dataclass
class RejectionConfig(DataSetConfig):
    """Rejection sampling: completions of `model_from` that are right and readable, as a data set."""

    kind: str = "rejection"


@dataclass
class DistillConfig(DataSetConfig):
    """A teacher's completions that are right and readable, as a data set; `model_from` is the student."""

    kind: str = "distill"
    teacher: str = ""
    """Who writes: a model folder, a hub id, an earlier stage, or `MODEL@URL` of an OpenAI-compatible endpoint, such as
    `qwen@http://127.0.0.1:8000/v1`, with its key in the environment variable OPENAI_API_KEY."""
    select: int = 0
    """Problems to choose as s1 does: none that the student solves, then a domain (column `domain`) uniformly and a
    problem in it, long completions preferred; 0: all."""
    student_samples: int = 1
    """Answers of the student to each problem, for `select`: it solves a problem when half of them are right or more.
    One is greedy, several are sampled as the stage's rollout says."""


def endpoint_of(teacher: str) -> tuple[str, str] | None:
    """(model, URL) of a teacher behind an endpoint; None for one that is a model of the run's engine."""
    model, at, url = teacher.partition("@")
    return (model, url.rstrip("/")) if at and url.startswith(ENDPOINT_SCHEMES) else None


def problems_per_call(completions_per_prompt: int) -> int:
    """Problems whose completions are sampled, scored and written together."""
    return max(1, SAMPLED_AT_ONCE // completions_per_prompt)
