"""What can be wrong with a stage that writes a data set: its sampling, its teacher, the rows it mixes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from grpo.config.check_pipeline import MODEL_KINDS
from grpo.config.check_slices import looks_like_hub_id
from grpo.config.schema import RunConfig
from grpo.config.stages_data import DataSetConfig, DistillConfig, endpoint_of


def data_set_problems(path: str, stage: DataSetConfig, config: RunConfig) -> Iterator[str]:
    """Completions that would all be the same, general rows that are not there, and a teacher that cannot be found."""
    size = stage.rollout.completions_per_prompt
    if stage.rollout.temperature == 0 and size > 1:
        yield (
            f"{path}.rollout.temperature=0: greedy completions of a prompt are all the same; valid is above 0, or "
            f"{path}.rollout.completions_per_prompt=1 in the place of {size}"
        )
    mixed = stage.mix_path
    if mixed is not None and not (Path(mixed).expanduser().is_file() and mixed.endswith((".jsonl", ".parquet"))):
        yield f"{path}.mix_path={mixed}: no such file; valid is a .jsonl or .parquet file"
    if isinstance(stage, DistillConfig):
        yield from teacher_problems(path, stage, config)
        yield from student_problems(path, stage)


def teacher_problems(path: str, stage: DistillConfig, config: RunConfig) -> Iterator[str]:
    """No teacher, an address that is none or holds a password, a stage without a model, a folder that is not there."""
    teacher, key = stage.teacher, f"{path}.teacher={stage.teacher}"
    options = "valid are a model folder, a hub id, an earlier stage with a model, or MODEL@URL of an endpoint"
    endpoint = endpoint_of(teacher)
    if not teacher:
        yield f"{path}.teacher is not set: {options}"
    elif endpoint is not None:
        yield from endpoint_problems(f"{path}.teacher", *endpoint)
    elif teacher in config.stages:
        name = path.rpartition(".")[2]
        earlier = config.pipeline[: config.pipeline.index(name)] if name in config.pipeline else []
        if teacher not in earlier or config.stages[teacher].kind not in MODEL_KINDS:
            yield f"{key}: that stage does not come before {name} or yields no model; {options}"
    elif Path(teacher).expanduser().is_dir():
        if not (Path(teacher).expanduser() / "config.json").is_file():
            yield f"{key}: the folder has no config.json; {options}"
    elif not looks_like_hub_id(teacher) or "@" in teacher:
        yield f"{key}: no such stage or folder; {options}"


def student_problems(path: str, stage: DistillConfig) -> Iterator[str]:
    """Several answers of a student that nothing asks for, or that would all be the same."""
    key = f"{path}.student_samples={stage.student_samples}"
    if stage.student_samples > 1 and stage.select == 0:
        yield f"{key}: has no effect with {path}.select=0, which asks the student nothing; valid is 1"
    elif stage.student_samples > 1 and stage.rollout.temperature == 0:
        yield f"{key} with {path}.rollout.temperature=0: greedy answers are all the same; valid is 1"


def missing_student(config: RunConfig) -> Iterator[str]:
    """What a recipe for pretrained students still needs, where the student is the embedded example's small model.

    Other problems of such a config, limits that the small model's context cannot hold, follow from this one.
    """
    context = config.model.scratch.context
    for name in config.pipeline:
        stage = config.stages.get(name)
        if not isinstance(stage, DistillConfig) or config.model.name != "scratch" or stage.model_from != "base":
            continue
        if stage.rollout.max_tokens >= context:
            data = "the embedded arithmetic" if config.data.source == "arithmetic" else config.data.path
            yield (
                f"stages.{name}: traces of up to {stage.rollout.max_tokens} tokens do not fit the student, which is "
                f"model.name=scratch with a context of {context}. Give the student, the problems and the teacher:\n"
                "  model.name=…  a Hugging Face folder or hub id, such as Qwen/Qwen2.5-1.5B-Instruct (now: scratch)\n"
                f"  data=…  gsm8k, math, or files with data.path=FILE.jsonl (now: {data})\n"
                f"  stages.{name}.teacher=…  a model folder, a hub id, or MODEL@URL (now: {stage.teacher or 'none'})\n"
                "or, for a student from scratch, a smaller rollout.max_tokens; docs/data_sets.md has whole commands"
            )


def endpoint_problems(key: str, model: str, url: str) -> Iterator[str]:
    """Of the address the password is left out, since the message is shown."""
    parts = urlsplit(url)
    if not model:
        yield f"{key}: the model's name is missing; valid is MODEL@URL, such as qwen@http://127.0.0.1:8000/v1"
    if "@" in parts.netloc:
        yield f"{key}: the address holds a user or password, which would be written to the run folder; valid is without"
    elif not parts.hostname or parts.query or parts.fragment:
        yield f"{key}={model}@{url}: valid is the address the API's paths follow, such as http://127.0.0.1:8000/v1"
