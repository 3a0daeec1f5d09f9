"""What the check says about stages that write data sets, and about those that read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from grpo.config.check import check
from grpo.config.estimate.batches import batch_lines
from grpo.config.estimate.work import work_of
from grpo.config.load import load_config
from grpo.config.stages_data import endpoint_of, problems_per_call
from tests.config.helpers import refusal

STAGES = ["+stage@stages.rejection=rejection", "+stage@stages.sft2=sft", "stages.rejection.model_from=cold_start"]
DISTILL = [
    "+stage@stages.distill=distill",
    "pipeline=[cold_start,distill,export]",
    "stages.export.model_from=cold_start",
]
TEACHERS = "valid are a model folder, a hub id, an earlier stage with a model, or MODEL@URL of an endpoint"


def test_data_from_a_stage_that_writes_some() -> None:
    check(load_config([*STAGES, "pipeline=[cold_start,rejection,sft2]", "stages.sft2.data_from=rejection"]))


@pytest.mark.parametrize(
    ("pipeline", "source", "said"),
    [
        ("cold_start,sft2", "cold_start", "that stage writes no data set"),
        ("cold_start,sft2,rejection", "rejection", "that stage does not come before sft2"),
        ("cold_start,sft2", "rejection", "that stage is not in the pipeline"),
        ("cold_start,sft2", "rejektion", "no such file or stage"),
    ],
)
def test_data_from_something_else(pipeline: str, source: str, said: str) -> None:
    found = refusal(*STAGES, f"pipeline=[{pipeline}]", f"stages.sft2.data_from={source}")
    assert f"stages.sft2.data_from={source}: {said}; valid are base, a data file, or an earlier stage" in found


def test_a_data_set_is_no_model() -> None:
    found = refusal(*STAGES, "pipeline=[cold_start,rejection,sft2]", "stages.sft2.model_from=rejection")
    assert "stages.sft2.model_from=rejection: that stage yields no model" in found


def test_ranges_and_files_of_a_rejection_stage(tmp_path: Path) -> None:
    stages = [*STAGES, "pipeline=[cold_start,rejection]"]
    assert "stages.rejection.per_problem=0: valid is 1 or more" in refusal(*stages, "stages.rejection.per_problem=0")
    assert "greedy completions of a prompt" in refusal(*stages, "stages.rejection.rollout.temperature=0")
    check(
        load_config(
            [*stages, "stages.rejection.rollout.temperature=0", "stages.rejection.rollout.completions_per_prompt=1"]
        )
    )
    assert "mix_path=gone.jsonl: no such file" in refusal(*stages, "stages.rejection.mix_path=gone.jsonl")
    assert "stages.rejection.rollout.engine=scripted: a run has one engine" in refusal(
        *stages, "stages.rejection.rollout.engine=scripted"
    )


@pytest.mark.parametrize(
    "teacher", ["cold_start", "owner/name", "qwen@http://127.0.0.1:8000/v1", "org/qwen-1.5b@https://example.org"]
)
def test_teachers(teacher: str) -> None:
    check(load_config([*DISTILL, f"stages.distill.teacher={teacher}"]))


def test_what_is_no_teacher(tmp_path: Path) -> None:
    assert f"stages.distill.teacher is not set: {TEACHERS}" in refusal(*DISTILL)

    def said(teacher: str) -> str:
        return refusal(*DISTILL, f"stages.distill.teacher={teacher}")

    assert "that stage does not come before distill or yields no model" in said("export")
    assert "the folder has no config.json" in said(str(tmp_path))
    assert "no such stage or folder" in said("/no/such/folder")
    assert "no such stage or folder" in said("qwen@ftp")
    assert "the model's name is missing" in said("@http://127.0.0.1:8000/v1")
    assert "the address the API's paths follow" in said("qwen@http://")
    secret = said("qwen@http://me:hunter2@example.org/v1")
    assert "holds a user or password" in secret and "hunter2" not in secret


def test_endpoints_are_told_by_their_scheme() -> None:
    assert endpoint_of("a/b@https://example.org/v1/") == ("a/b", "https://example.org/v1")
    assert endpoint_of("a/b") is None and endpoint_of("a@b") is None and endpoint_of("http://example.org") is None


def test_what_the_dry_run_says() -> None:
    config = load_config([*STAGES, "pipeline=[cold_start,rejection]", "data.arithmetic.problems=100"])
    line = list(batch_lines(config))[1]
    assert line == (
        "rejection: 100 problems × 8 completions of ≤ 48 tokens by cold_start → a data set, at most 4 of a problem"
    )
    assert work_of(config)[1].sampled == 100 * 8 * 48
    words = [*DISTILL, "stages.distill.teacher=cold_start", "data.arithmetic.problems=100", "stages.distill.select=9"]
    assert work_of(load_config([*words, "stages.distill.student_samples=4"]))[1].sampled == 100 * (8 + 4) * 48


def test_problems_of_a_call() -> None:
    assert [problems_per_call(size) for size in (8, 64, 1000)] == [64, 8, 1]


def test_answers_of_the_student() -> None:
    stages = [*DISTILL, "stages.distill.teacher=cold_start", "stages.distill.student_samples=4"]
    assert "stages.distill.student_samples=4: has no effect with stages.distill.select=0" in refusal(*stages)
    check(load_config([*stages, "stages.distill.select=9"]))
    greedy = ["stages.distill.rollout.temperature=0", "stages.distill.rollout.completions_per_prompt=1"]
    assert "greedy answers are all the same; valid is 1" in refusal(*stages, "stages.distill.select=9", *greedy)
    assert "stages.distill.student_samples=0: valid is 1 or more" in refusal(
        *stages[:-1], "stages.distill.student_samples=0"
    )
    assert "stages.distill.decontaminate=-1: valid is 0 or more" in refusal(
        *stages[:-1], "stages.distill.decontaminate=-1"
    )


def test_a_recipe_without_its_student_says_what_to_give() -> None:
    """The first thing a newcomer types: one message, and not the limits that the small model cannot hold."""
    found = refusal("experiment=s1")
    assert found.startswith(
        "stages.distill: traces of up to 32768 tokens do not fit the student, which is model.name=scratch"
    )
    assert [line.split()[0] for line in found.splitlines()[1:4]] == [
        "model.name=…",
        "data=…",
        "stages.distill.teacher=…",
    ]
    for now in ("(now: scratch)", "(now: the embedded arithmetic)", "(now: deepseek-ai/DeepSeek-R1)"):
        assert now in found
    assert "max_tokens=32768: prompt" not in found
    check(load_config(["experiment=s1", "model=hf", "data=gsm8k", "rollout=transformers"]))
    check(load_config(["experiment=s1", "rollout.max_tokens=48"]))
