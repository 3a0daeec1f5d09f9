"""Stages and how they follow each other: names, order, what each starts from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from grpo.config.errors import unknown
from grpo.config.schema import RunConfig, StageConfig

MODEL_KINDS = frozenset({"sft", "reinforce"})
"""Kinds of stage that yield a model."""
DATA_KINDS = frozenset({"rejection", "distill"})
"""Kinds of stage that write a data set."""


def pipeline_problems(config: RunConfig) -> Iterator[str]:
    """Stage names that do not exist or repeat, and stages that start from nothing."""
    if not config.pipeline:
        yield "pipeline=[]: valid is at least one of the stages " + ", ".join(config.stages)
    for name in sorted({name for name in config.pipeline if config.pipeline.count(name) > 1}):
        yield f"pipeline: {name} is there twice; valid is once, and another one as +stage@stages.{name}2=<kind>"
    for position, name in enumerate(config.pipeline):
        stage = config.stages.get(name)
        if stage is None:
            message = unknown("stage", name, config.stages, config.stages)
            yield f"pipeline: {message}; add it with +stage@stages.{name}=<kind>"
            continue
        earlier = config.pipeline[:position]
        yield from model_source_problems(name, stage, earlier, config)
        yield from data_source_problems(name, stage, earlier, config)


def model_source_problems(name: str, stage: StageConfig, earlier: Sequence[str], config: RunConfig) -> Iterator[str]:
    """`model_from` that names no model."""
    source = stage.model_from
    yielding = [one for one in earlier if one in config.stages and config.stages[one].kind in MODEL_KINDS]
    if source == "base" or source in yielding:
        return
    key = f"stages.{name}.model_from={source}"
    options = f"valid are base, a model folder, or an earlier stage with a model ({', '.join(yielding) or 'none here'})"
    if source in config.pipeline:
        later = source not in earlier
        yield f"{key}: that stage {'does not come before ' + name if later else 'yields no model'}; {options}"
    elif source in config.stages:
        yield f"{key}: that stage is not in the pipeline; {options}"
    elif not Path(source).expanduser().is_dir():
        yield f"{key}: no such stage or folder; {options}"
    elif not (Path(source).expanduser() / "config.json").is_file():
        yield f"{key}: the folder has no config.json; {options}"


def data_source_problems(name: str, stage: StageConfig, earlier: Sequence[str], config: RunConfig) -> Iterator[str]:
    """`data_from` that names no rows."""
    source = stage.data_from
    writing = [one for one in earlier if one in config.stages and config.stages[one].kind in DATA_KINDS]
    if source == "base" or source in writing:
        return
    key = f"stages.{name}.data_from={source}"
    options = f"valid are base, a data file, or an earlier stage that writes data ({', '.join(writing) or 'none here'})"
    if source in config.pipeline:
        later = source not in earlier
        yield f"{key}: that stage {'does not come before ' + name if later else 'writes no data set'}; {options}"
    elif source in config.stages:
        yield f"{key}: that stage is not in the pipeline; {options}"
    elif not Path(source).expanduser().is_file():
        yield f"{key}: no such file or stage; {options}"
