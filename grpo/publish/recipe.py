"""The part of a model card on how the model was made: stages, rewards, prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from grpo.config.algorithm import AlgorithmConfig
from grpo.publish.facts import SCRATCH, CardFacts
from grpo.publish.markdown import block, code, flat, settings, shown, table
from grpo.report.read import mapping, sequence, text

KINDS = {
    "sft": "supervised fine-tuning",
    "reinforce": "reinforcement learning",
    "rejection": "rejection sampling",
    "distill": "traces of a teacher",
    "evaluate": "evaluation",
    "budget": "budget forcing",
    "export": "export",
}
WIRING = frozenset({"kind", "model_from", "data_from", "repo_id", "license"})
"""Keys of a stage that have a column of their own, or say nothing about the model."""
OPTIMIZER_KEYS = ("name", "lr", "schedule")
ROLLOUT_KEYS = ("completions_per_prompt", "max_tokens", "temperature", "top_p", "top_k", "min_p")
ALGORITHM_KEYS = ("advantage", "loss", "reduction")


def recipe_section(facts: CardFacts) -> str:
    """Every stage with what it was set to, and where its algorithm differs from the schema's defaults."""
    rows = [(code(name), _kind(stage), _start(stage), _set_to(stage)) for name, stage in facts.stages.items()]
    parts = ["## Recipe\n", _base(facts), "\n", table(("stage", "kind", "starts from", "settings"), rows)]
    for name, stage in facts.stages.items():
        if "algorithm" in stage:
            named = ", ".join(f"{key} {code(mapping(stage['algorithm']).get(key))}" for key in ALGORITHM_KEYS)
            parts.append(f"\n{code(name)}: {named}. {_differences(mapping(stage['algorithm']))}\n")
    return "".join(parts)


def reward_section(facts: CardFacts) -> str:
    """Reward functions with weights and settings; nothing where no stage was rewarded."""
    users: dict[str, list[str]] = {}
    for name, stage in facts.stages.items():
        if "algorithm" in stage:
            users.setdefault(_rewards(mapping(stage.get("reward"))), []).append(code(name))
    parts = [f"\n{', '.join(names)}: the weighted sum of\n\n{rewards}" for rewards, names in users.items()]
    return "".join(["## Rewards\n", *parts]) if parts else ""


def prompt_section(facts: CardFacts) -> str:
    """System prompt and template of the exported model's training; nothing where there was neither."""
    data = mapping(facts.stages.get(facts.model_from, {}).get("data"))
    system, template = text(data.get("system_prompt")), text(data.get("prompt_template"))
    parts = ["## Prompt\n"]
    if system:
        parts.append(f"\nEvery training prompt began with this system message; send it too.\n\n{block(system, 'text')}")
    if template:
        parts.append(f"\nThe chat template writes what training wrote around a problem:\n\n{block(template, 'text')}")
    return "".join(parts) if len(parts) > 1 else ""


def _base(facts: CardFacts) -> str:
    if facts.base.name == SCRATCH:
        shape = mapping(mapping(facts.config.get("model")).get("scratch"))
        return f"\nThe base was initialised at random: {settings(shape)}.\n"
    linked = f"[{facts.base.name}](https://huggingface.co/{facts.base.name})" if facts.base.on_hub else None
    rank = mapping(mapping(facts.config.get("model")).get("lora")).get("rank")
    lora = f" Adapters of rank {shown(rank)} were trained and merged into it." if rank else ""
    return f"\nThe base is {linked or code(facts.base.name)}.{lora}\n"


def _kind(stage: Mapping[str, Any]) -> str:
    kind = text(stage.get("kind"))
    return KINDS.get(kind, kind)


def _start(stage: Mapping[str, Any]) -> str:
    return code(text(stage.get("model_from")))


def _set_to(stage: Mapping[str, Any]) -> str:
    own = {key: value for key, value in stage.items() if key not in WIRING and not isinstance(value, Mapping)}
    for name, keys in (("optimizer", OPTIMIZER_KEYS), ("rollout", ROLLOUT_KEYS)):
        given = mapping(stage.get(name))
        if name == "optimizer" or "algorithm" in stage:
            own |= {name if key == "name" else key: given[key] for key in keys if key in given}
    return settings(own)


def _differences(algorithm: Mapping[str, Any]) -> str:
    defaults = dict(flat(asdict(AlgorithmConfig())))
    given = dict(flat(algorithm))
    paths = [path for path in dict.fromkeys((*given, *defaults)) if path not in ALGORITHM_KEYS]
    changed = [
        f"{code(path)} {shown(given.get(path))} (default {shown(defaults.get(path))})"
        for path in paths
        if given.get(path) != defaults.get(path)
    ]
    return f"Not at its default: {', '.join(changed)}." if changed else "Everything else is at its default."


def _rewards(reward: Mapping[str, Any]) -> str:
    names, weights = sequence(reward.get("functions")), sequence(reward.get("weights"))
    given = mapping(reward.get("settings"))
    rows: list[Sequence[str]] = []
    for place, name in enumerate(names):
        label = text(name).rpartition(":")[2]
        weight = shown(weights[place]) if place < len(weights) else ""
        rows.append((code(name), weight, settings(mapping(given.get(label)))))
    return table(("reward", "weight", "settings"), rows)
