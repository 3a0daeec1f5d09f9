"""Every value and combination that a run would trip over later, found before anything is loaded."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from grpo.config.check_algorithm import algorithm_problems, sampling_problems
from grpo.config.check_data_sets import data_set_problems, missing_student
from grpo.config.check_evaluation import budget_problems, evaluation_problems
from grpo.config.check_off_policy import correction_problems, filter_problems, staleness_problems
from grpo.config.check_pipeline import pipeline_problems
from grpo.config.check_publish import publish_problems
from grpo.config.check_selection import selection_problems
from grpo.config.check_slices import (
    data_problems,
    engine_problems,
    group_problems,
    model_problems,
    reward_problems,
    rollout_problems,
)
from grpo.config.errors import ConfigError, nearest
from grpo.config.limits import RANGES, valid
from grpo.config.schema import BudgetConfig, EvaluateConfig, ExportConfig, ReinforceConfig, RunConfig
from grpo.config.slices import AlgorithmConfig, DataConfig, RewardConfig, RolloutConfig
from grpo.config.stages_data import DataSetConfig


def check(config: RunConfig) -> None:
    """Raise ConfigError listing every problem: the key, its value and what is valid."""
    if first := list(missing_student(config)):
        raise ConfigError(first[0])
    found = [*leaf_problems(config), *model_problems(config.model), *run_problems(config), *pipeline_problems(config)]
    for path, part in slices(config):
        if isinstance(part, RewardConfig):
            found += reward_problems(path, part)
        elif isinstance(part, DataConfig):
            found += data_problems(path, part)
        elif isinstance(part, RolloutConfig):
            found += rollout_problems(path, part, config.model)
            found += engine_problems(path, part, config.rollout)
        elif isinstance(part, AlgorithmConfig):
            found += correction_problems(path, part)
        elif isinstance(part, ExportConfig):
            found += publish_problems(path, part)
        elif isinstance(part, EvaluateConfig):
            found += evaluation_problems(path, part)
        elif isinstance(part, BudgetConfig):
            found += budget_problems(path, part)
        elif isinstance(part, DataSetConfig):
            found += data_set_problems(path, part, config)
        elif isinstance(part, ReinforceConfig):
            found += group_problems(path, part)
            shared = part.algorithm == config.algorithm
            found += algorithm_problems("algorithm" if shared else f"{path}.algorithm", part.algorithm)
            found += sampling_problems(path, part)
            found += staleness_problems(path, part)
            found += filter_problems(f"{path}.rollout", part.rollout)
            found += selection_problems(path, part)
    found = list(dict.fromkeys(found))
    if len(found) == 1:
        raise ConfigError(found[0])
    if found:
        raise ConfigError(f"{len(found)} problems in the config:\n" + "\n".join(f"  {line}" for line in found))


def slices(config: RunConfig) -> Iterator[tuple[str, Any]]:
    """Dotted path and value of the slices in use: the top level's, and those of the pipeline's stages."""
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield item.name, value
    for name in config.pipeline:
        stage = config.stages.get(name)
        if stage is None:
            continue
        yield f"stages.{name}", stage
        for item in fields(stage):
            value = getattr(stage, item.name)
            if is_dataclass(value) and value != getattr(config, item.name):
                yield f"stages.{name}.{item.name}", value


def leaves(config: RunConfig) -> Iterator[tuple[str, str, Any]]:
    """(path, key in the tables above, value) of every leaf in use; a list is one value."""

    def walk(path: str, key: str, value: Any) -> Iterator[tuple[str, str, Any]]:
        for item in fields(value):
            inner = getattr(value, item.name)
            if is_dataclass(inner):
                yield from walk(f"{path}.{item.name}", f"{key}.{item.name}", inner)
            elif not isinstance(inner, dict):
                yield f"{path}.{item.name}", f"{key}.{item.name}", inner

    for item in fields(config):
        if not is_dataclass(getattr(config, item.name)):
            yield item.name, item.name, getattr(config, item.name)
    for path, part in slices(config):
        own_stage = path.count(".") == 1 and path.startswith("stages.")
        for leaf, key, value in walk(path, "stage" if own_stage else path.rpartition(".")[2], part):
            if not (own_stage and leaf.count(".") > 2):
                yield leaf, key, value


def leaf_problems(config: RunConfig) -> Iterator[str]:
    """Numbers out of range or not finite, and words that are not among the choices; those of a list one by one."""
    top: dict[str, Any] = {}
    for path, key, value in leaves(config):
        if path.startswith("stages.") and top.get(key) == value:
            continue  # inherited, and reported once at the top level
        top.setdefault(key, value)
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            yield f"{path}={value}: valid is a finite number"
        elif key in RANGES and value is not None and not all(map(RANGES[key][1], numbers)):
            yield f"{path}={value}: valid is {RANGES[key][0]}"
        names = valid(key)
        for word in value if isinstance(value, list) else [value]:
            if names is not None and word not in names:
                close = nearest(str(word), names)
                yield f"{path}={word}: valid are {', '.join(names)}" + (f"; did you mean {close}?" if close else "")


def run_problems(config: RunConfig) -> Iterator[str]:
    """The run's name and folder, where it would resume, and alarms that are on and off."""
    if not config.name or "/" in config.name or config.name.startswith("."):
        yield f"name={config.name!r}: it names the run folder; valid is text without / that does not start with a dot"
    root = Path(config.run_root).expanduser()
    existing = next((folder for folder in (root, *root.absolute().parents) if folder.exists()), root)
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        yield f"run_root={config.run_root}: {existing} is not a folder one can write to"
    for name in config.alarms.stop:
        if name in config.alarms.off:
            yield f"alarms.stop={name}: it is in alarms.off too, and a silent alarm stops nothing; valid is one of both"
    if config.resume not in ("never", "auto") and not Path(config.resume).expanduser().is_dir():
        yield f"resume={config.resume}: valid are never, auto, or an existing run folder"
