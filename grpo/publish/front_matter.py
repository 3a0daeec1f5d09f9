"""The YAML head of a model card, as the hub reads it: https://huggingface.co/docs/hub/model-cards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from grpo.publish.facts import CardFacts
from grpo.publish.public import is_local
from grpo.report.outcome import Accuracy
from grpo.report.read import mapping, number, text
from grpo.report.text import percent

KIND_TAGS = {"sft": "sft", "reinforce": "reinforcement-learning", "distill": "distillation"}
"""Kind of a stage to the hub's tag for it."""
DIGITS = 4
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def front_matter(facts: CardFacts) -> str:
    """The head with its `---` lines; keys of which nothing is known are left out."""
    values: dict[str, Any] = {
        "license": facts.license,
        "base_model": facts.base.name if facts.base.on_hub else None,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "language": languages(facts),
        "tags": tags(facts),
        "datasets": datasets(facts),
    }
    results = [_result(facts, one) for one in facts.of_this_model()]
    if results:
        values["metrics"] = ["accuracy"]
        values["model-index"] = [{"name": facts.title, "results": results}]
    kept = {key: value for key, value in values.items() if value}
    written: str = yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{written}---\n"


def languages(facts: CardFacts) -> list[str]:
    """Languages that a reward asked for: the only ones a run knows of."""
    found = []
    for stage in facts.stages.values():
        given = mapping(mapping(stage.get("reward")).get("settings"))
        found += [text(mapping(one).get("target")) for one in given.values()]
    return sorted({language for language in found if _LANGUAGE.fullmatch(language)})


def tags(facts: CardFacts) -> list[str]:
    """The project, the kinds of training, and adapters."""
    kinds = [KIND_TAGS[kind] for stage in facts.stages.values() if (kind := text(stage.get("kind"))) in KIND_TAGS]
    rank = number(mapping(mapping(facts.config.get("model")).get("lora")).get("rank"))
    return list(dict.fromkeys(["grpo", *kinds, *(["lora"] if rank else [])]))


def datasets(facts: CardFacts) -> list[str]:
    """Hub data sets of the stages that train."""
    training = [mapping(stage.get("data")) for stage in facts.stages.values() if "optimizer" in stage]
    return list(dict.fromkeys(path for data in training if (path := hub_data(data, "path"))))


def hub_data(data: Mapping[str, Any], key: str) -> str | None:
    """The hub id under `path` or `eval_path`; None for generated data, and for files, whose folders are cut off."""
    name = text(data.get(key))
    return name if data.get("source") == "files" and "/" in name and not is_local(name) else None


def evaluated_on(data: Mapping[str, Any]) -> str:
    """What to call the held-out problems: a hub id, a file's name without its ending, or the generated task."""
    if data.get("source") != "files":
        return text(data.get("source"))
    key = "eval_path" if data.get("eval_path") else "path"
    return hub_data(data, key) or Path(text(data.get(key))).stem


def _result(facts: CardFacts, one: Accuracy) -> dict[str, Any]:
    name = evaluated_on(mapping(facts.stages[one.stage].get("data")))
    interval = f" (95 % interval {percent(one.low)} to {percent(one.high)})" if one.interval else ""
    metric = {
        "type": "accuracy",
        "name": f"{one.mode} accuracy{interval}".strip(),
        "value": round(one.value, DIGITS),
    }
    return {
        "task": {"type": "text-generation"},
        "dataset": {"type": name, "name": name, "split": one.split},
        "metrics": [metric],
    }
