"""What can be wrong inside one slice: the model, data, reward and rollout settings, and an RL stage as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from grpo.config.errors import nearest
from grpo.config.limits import registered
from grpo.config.schema import ReinforceConfig
from grpo.config.slices import (
    ArithmeticConfig,
    DataConfig,
    LoraConfig,
    ModelConfig,
    RewardConfig,
    RolloutConfig,
    ScratchConfig,
)


def model_problems(model: ModelConfig) -> Iterator[str]:
    """Shapes that do not fit together, a local folder that is not there, and attention that cannot train here."""
    yield from lora_problems(model.lora)
    if model.attention == "flex" and not has_gpu():
        yield (
            "model.attention=flex without a GPU: torch has no backward pass for it on a CPU; valid are shared_prompt, "
            "sdpa, eager"
        )
    if model.name == "scratch":
        yield from scratch_problems(model.scratch)
        if model.revision is not None:
            yield f"model.revision={model.revision}: has no effect on model.name=scratch; valid is null"
    elif not model.name:
        yield "model.name is empty: valid are scratch, a local folder or a hub id"
    elif Path(model.name).expanduser().is_dir():
        if not (Path(model.name).expanduser() / "config.json").is_file():
            yield f"model.name={model.name}: the folder has no config.json; valid is a Hugging Face model folder"
    elif not looks_like_hub_id(model.name):
        yield f"model.name={model.name}: no such folder; valid are scratch, a local folder or a hub id as owner/name"


def lora_problems(lora: LoraConfig) -> Iterator[str]:
    """Adapters without the library that makes them, and targets without adapters."""
    if lora.rank > 0 and find_spec("peft") is None:
        yield (
            f"model.lora.rank={lora.rank}: needs peft, which is not installed: pip install 'grpo-trainer[lora]'; "
            "valid without it is 0"
        )
    if lora.rank == 0 and lora.targets:
        yield f"model.lora.targets={lora.targets}: has no effect with model.lora.rank=0; valid is []"
    for target in lora.targets:
        if not target or target.startswith(".") or any(c in target for c in "*^$\\"):
            yield f"model.lora.targets: {target!r}: valid is the end of a layer's name, such as q_proj or mlp.up_proj"


def scratch_problems(shape: ScratchConfig) -> Iterator[str]:
    """Head counts that do not divide."""
    heads, groups, hidden = shape.attention_heads, shape.key_value_heads, shape.hidden_size
    if heads >= 1 and hidden % heads:
        yield f"model.scratch.attention_heads={heads}: must divide model.scratch.hidden_size={hidden}"
    elif heads >= 1 and hidden // heads % 2:
        yield (
            f"model.scratch.hidden_size={hidden}: {hidden // heads} per attention head; "
            "rotary positions need an even number"
        )
    if groups >= 1 and heads % groups:
        yield f"model.scratch.key_value_heads={groups}: must divide model.scratch.attention_heads={heads}"
    if shape.tokenizer == "bpe" and shape.vocab_size < 300:
        yield f"model.scratch.vocab_size={shape.vocab_size}: valid is 300 or more (256 bytes and the template's tags)"


def looks_like_hub_id(text: str) -> bool:
    """`owner/name` or a bare legacy name, and nothing that can only be meant as a path."""
    parts = text.split("/")
    return (
        len(parts) <= 2 and all(part and part[0] not in ".~" for part in parts) and not text.endswith((".json", ".py"))
    )


def arithmetic_problems(path: str, task: ArithmeticConfig) -> Iterator[str]:
    """Operators that do not exist, languages that cannot be mixed, and waits between words."""
    if not task.operators or set(task.operators) - set("+-*"):
        yield f"{path}.operators={task.operators!r}: valid is any of + - * together, such as '+-'"
    if len(set(task.languages)) < len(task.languages):
        yield f"{path}.languages={task.languages}: valid is each language once"
    elif task.mixed_steps > 0 and len(task.languages) < 2:
        yield (
            f"{path}.mixed_steps={task.mixed_steps} with {path}.languages={task.languages}: there is no other "
            "language to take; valid is 0, or two languages or more"
        )
    if task.reconsidered > 0 and task.languages:
        yield (
            f"{path}.reconsidered={task.reconsidered} with {path}.languages={task.languages}: demonstrations "
            "wait between calculations in digits alone; valid is 0, or no languages"
        )


def data_problems(path: str, data: DataConfig) -> Iterator[str]:
    """Sources without rows, prompts that have no place for a problem, and an embedded task that cannot be."""
    if data.source == "files":
        if not data.path:
            yield f"{path}.path is not set: {path}.source=files needs a .jsonl or .parquet file, or a hub data set id"
        for key, place in (("path", data.path), ("eval_path", data.eval_path)):
            if place and not rows_at(place):
                yield f"{path}.{key}={place}: no such file; valid is a .jsonl or .parquet file, or a hub id"
    if data.source == "arithmetic":
        yield from arithmetic_problems(f"{path}.arithmetic", data.arithmetic)
    template = data.prompt_template
    if template is not None and template.count("{prompt}") != 1:
        yield f"{path}.prompt_template={template!r}: valid is text with {{prompt}} once, where the problem goes"
    if template is not None and data.system_prompt is not None:
        yield f"{path}.system_prompt: {path}.prompt_template is the whole prompt; valid is one of the two"
    for key in ("prompt_column", "answer_column"):
        if not getattr(data, key):
            yield f"{path}.{key} is empty: valid is the name of a column"


def rows_at(place: str) -> bool:
    """Whether a data path is a file with rows, or could be a hub id."""
    if Path(place).suffix in (".jsonl", ".parquet", ".json", ".csv"):
        return Path(place).expanduser().is_file() and Path(place).suffix in (".jsonl", ".parquet")
    return looks_like_hub_id(place) and not Path(place).exists()


def reward_problems(path: str, reward: RewardConfig) -> Iterator[str]:
    """Functions and weights that do not pair up, and names that cannot be found."""
    if not reward.functions:
        yield f"{path}.functions=[]: valid is at least one reward function"
    if len(reward.functions) != len(reward.weights):
        yield (
            f"{path}.weights={reward.weights}: {len(reward.weights)} weights for {len(reward.functions)} functions; "
            f"valid is one weight for each of {path}.functions={reward.functions}"
        )
    elif reward.weights and not any(reward.weights):
        yield f"{path}.weights={reward.weights}: all 0, so nothing would be learnt; valid is at least one other than 0"
    for name in sorted({name for name in reward.functions if reward.functions.count(name) > 1}):
        yield f"{path}.functions: {name} is there twice; valid is once, with a higher weight"
    own_names = [name.rpartition(":")[2].rpartition(".")[2] for name in reward.functions]
    for label in reward.settings:
        if label not in own_names:
            yield (
                f"{path}.settings.{label}: no such reward; valid is one of {path}.functions={reward.functions}, or "
                f"~{path}.settings.{label} to drop it"
            )
    names = registered("reward.functions")
    for name in reward.functions:
        file, colon, _ = name.rpartition(":")
        if colon and not Path(file).expanduser().is_file():
            yield f"{path}.functions: {name}: no file {file}; valid is path/file.py:function"
        elif not colon and "." not in name and name not in names:
            close = nearest(name, names)
            hint = f"; did you mean {close}?" if close else ""
            yield (
                f"{path}.functions: unknown reward {name}{hint} "
                f"(valid: {', '.join(names)}, pkg.module.function, or path/file.py:function)"
            )


def rollout_problems(path: str, rollout: RolloutConfig, model: ModelConfig) -> Iterator[str]:
    """Lengths that do not fit the model, and precision the engine cannot run."""
    if rollout.engine == "vllm" and model.dtype == "bfloat16" and not has_gpu():
        yield (
            f"model.dtype=bfloat16 with {path}.engine=vllm and no GPU: vLLM crashes in bfloat16 on some CPUs; "
            "valid is model.dtype=float32"
        )
    if model.name == "scratch" and rollout.max_tokens >= model.scratch.context:
        yield (
            f"{path}.max_tokens={rollout.max_tokens}: prompt and completion share "
            f"model.scratch.context={model.scratch.context}; valid is less than that"
        )


SINGLE_COMPLETIONS = ("batch_zscore",)
"""As in `grpo.algorithm.advantages`; a test holds the two equal."""


def group_problems(path: str, stage: ReinforceConfig) -> Iterator[str]:
    """Groups too small to compare within, and a rollout that cannot be split."""
    size = stage.rollout.completions_per_prompt
    if stage.algorithm.advantage not in SINGLE_COMPLETIONS and size == 1:
        yield (
            f"{path}.rollout.completions_per_prompt=1: advantage {stage.algorithm.advantage} compares the completions "
            "of one prompt; valid is 2 or more"
        )
    if stage.rollout.temperature == 0:
        yield f"{path}.rollout.temperature=0: greedy completions of a prompt are all the same; valid is above 0"
    if stage.optimizer_steps_per_rollout > stage.prompts_per_step:
        yield (
            f"{path}.optimizer_steps_per_rollout={stage.optimizer_steps_per_rollout}: valid is at most "
            f"{path}.prompts_per_step={stage.prompts_per_step}, one group each"
        )


ENGINE_KEYS = ("engine", "deadline_seconds", "cpu_kv_cache_gib", "gpu_memory_utilization", "sleep_between_phases")
"""Keys of the rollout slice that the run's one engine is started with."""


def engine_problems(path: str, rollout: RolloutConfig, run: RolloutConfig) -> Iterator[str]:
    """A stage cannot have an engine of its own: stages push their weights into the one the run has."""
    for key in ENGINE_KEYS:
        if getattr(rollout, key) != getattr(run, key):
            yield f"{path}.{key}={getattr(rollout, key)}: a run has one engine; valid is rollout.{key}, for all stages"


def has_gpu() -> bool:
    """Whether this machine has an NVIDIA device, found without loading torch."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(Path(place).exists() for place in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"))
