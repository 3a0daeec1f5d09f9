"""What a run will do and need, worked out from its config alone: batches, memory, work and money.

Token counts are upper bounds (every completion at its limit); memory is a rule of thumb, see `memory_of`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

from grpo.config.check_slices import has_gpu
from grpo.config.schema import EvaluateConfig, ReinforceConfig, RunConfig, SFTConfig
from grpo.config.slices import ModelConfig, OptimizerConfig, ScratchConfig

BYTE_VOCABULARY = 262
"""Tokens of the `bytes` tokenizer: bytes, tags and special tokens."""
BYTES = {"float32": 4, "bfloat16": 2}
LOGITS_BYTES = 160 * 10**6
"""As in `grpo.kernels.token_logprob`, which imports torch; a test holds the two equal."""
ACTIVATION_WIDTHS = 14
"""Saved activations of a layer, in multiples of the hidden size, feed-forward apart (queries, keys, norms, sums)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWork:
    """Most tokens one stage handles."""

    name: str
    sampled: int
    """Tokens the engine generates."""
    trained: int
    """Tokens that pass forward and backward."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes on the training device at the peak of an update, by what holds them."""

    weights: int
    gradients: int
    moments: int
    """AdamW's two, in the precision of the weights."""
    reference: int
    """The start weights that the KL term keeps; 0 without one, with adapters, and on a GPU, where the host has them."""
    activations: int
    logits: int
    """The logits alive at once."""
    engine: int
    """The engine's own weights; its key-value cache is set by the rollout knobs."""

    @property
    def total(self) -> int:
        return sum(getattr(self, item.name) for item in fields(self))


def batch_lines(config: RunConfig) -> Iterator[str]:
    """One line per stage of the pipeline: how prompts become completions, micro-batches and optimizer steps."""
    for name in config.pipeline:
        stage = config.stages[name]
        if isinstance(stage, ReinforceConfig):
            yield f"{name}: {reinforce_line(stage)}"
        elif isinstance(stage, SFTConfig):
            yield f"{name}: {stage.demonstrations_per_step} demonstrations → 1 optimizer step, {stage.steps:,} times"
        elif isinstance(stage, EvaluateConfig):
            yield (
                f"{name}: at most {held_out_problems(stage):,} held-out problems × "
                f"({stage.samples_per_problem} sampled + 1 greedy) completions"
            )
        else:
            yield f"{name}: writes the model of {stage.model_from}"


def reinforce_line(stage: ReinforceConfig) -> str:
    """The batch arithmetic of one rollout step."""
    group = stage.rollout.completions_per_prompt
    completions = stage.prompts_per_step * group
    cap = stage.optimizer.max_tokens_per_micro_batch
    batches = math.ceil(completions * stage.rollout.max_tokens / cap)
    steps = stage.optimizer_steps_per_rollout
    batches = max(batches, steps)
    return (
        f"{stage.prompts_per_step} prompts × {group} completions = {completions} completions of ≤ "
        f"{stage.rollout.max_tokens} tokens → about {batches} {plural('micro-batch', batches)} of ≤ {cap} tokens → "
        f"{steps} optimizer {plural('step', steps)}, {stage.steps:,} times"
    )


def plural(word: str, count: int) -> str:
    """`step` or `steps`, `micro-batch` or `micro-batches`."""
    return word if count == 1 else word + ("es" if word.endswith("ch") else "s")


def held_out_problems(stage: EvaluateConfig) -> int:
    """Most problems an evaluation looks at."""
    data = stage.data
    return min(data.arithmetic.held_out, data.eval_rows) if data.source == "arithmetic" else data.eval_rows


def work_of(config: RunConfig) -> list[StageWork]:
    """Most tokens of every stage; the prompt is not counted, demonstrations count at the completion limit."""
    found = []
    for name in config.pipeline:
        stage = config.stages[name]
        sampled = trained = 0
        if isinstance(stage, ReinforceConfig):
            sampled = stage.steps * stage.prompts_per_step * stage.rollout.completions_per_prompt
            sampled *= stage.rollout.max_tokens
            trained = sampled
        elif isinstance(stage, SFTConfig):
            trained = stage.steps * stage.demonstrations_per_step * config.rollout.max_tokens
        elif isinstance(stage, EvaluateConfig):
            sampled = held_out_problems(stage) * (stage.samples_per_problem + 1) * stage.rollout.max_tokens
        found.append(StageWork(name=name, sampled=sampled, trained=trained))
    return found


def training_flops(parameters: int, work: list[StageWork]) -> int:
    """Multiply-adds counted twice: 6 per parameter and trained token, 2 per sampled one (Kaplan et al. 2020, 2.1)."""
    return parameters * sum(6 * stage.trained + 2 * stage.sampled for stage in work)


def parameter_count(model: ModelConfig) -> int | None:
    """Parameters of the policy, or None when only its weights would tell.

    Exact for `scratch`; from `config.json` for a local folder of the Llama and Qwen family; read off a hub id
    such as `Qwen2.5-1.5B`.
    """
    if model.name == "scratch":
        return scratch_parameters(model.scratch)
    described = Path(model.name).expanduser() / "config.json"
    if described.is_file():
        return described_parameters(json.loads(described.read_text(encoding="utf-8")))
    size = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([BbMm])(?![a-zA-Z])", model.name.replace("-", " "))
    return round(float(size[1]) * (1e9 if size[2] in "Bb" else 1e6)) if size else None


def scratch_parameters(shape: ScratchConfig) -> int:
    """Parameters of the small Qwen2 model; `bpe` vocabularies count as full."""
    vocabulary = BYTE_VOCABULARY if shape.tokenizer == "bytes" else shape.vocab_size
    return (
        described_parameters(
            {
                "vocab_size": vocabulary,
                "hidden_size": shape.hidden_size,
                "intermediate_size": shape.intermediate_size,
                "num_hidden_layers": shape.layers,
                "num_attention_heads": shape.attention_heads,
                "num_key_value_heads": shape.key_value_heads,
                "tie_word_embeddings": shape.tie_embeddings,
                "model_type": "qwen2",
            }
        )
        or 0
    )


def described_parameters(described: dict[str, object]) -> int | None:
    """Parameters of a gated decoder from the keys of its `config.json`, or None for another architecture."""
    keys = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    sizes = [described.get(key) for key in keys]
    if not all(isinstance(size, int) for size in sizes):
        return None
    vocabulary, hidden, inner, layers, heads = (int(str(size)) for size in sizes)
    head = int(str(described.get("head_dim") or hidden // heads))
    key_value = int(str(described.get("num_key_value_heads") or heads)) * head
    biases = heads * head + 2 * key_value if described.get("model_type") == "qwen2" else 0
    attention = 2 * hidden * heads * head + 2 * hidden * key_value + biases
    layer = attention + 3 * hidden * inner + 2 * hidden
    embeddings = vocabulary * hidden * (1 if described.get("tie_word_embeddings") else 2)
    return embeddings + layers * layer + hidden


def adapter_parameters(model: ModelConfig) -> int:
    """Parameters of the adapters, (in + out) · rank for each target; hub models without a local folder count as none.

    Without adapters 0.
    """
    described = Path(model.name).expanduser() / "config.json"
    if model.name == "scratch":
        found = {"hidden_size": model.scratch.hidden_size, "intermediate_size": model.scratch.intermediate_size}
        found |= {"num_hidden_layers": model.scratch.layers, "num_attention_heads": model.scratch.attention_heads}
        found |= {"num_key_value_heads": model.scratch.key_value_heads}
    elif described.is_file():
        found = json.loads(described.read_text(encoding="utf-8"))
    else:
        return 0
    if described_parameters({"vocab_size": 0, **found}) is None:
        return 0
    hidden, inner, heads = found["hidden_size"], found["intermediate_size"], found["num_attention_heads"]
    head = found.get("head_dim") or hidden // heads
    keys = (found.get("num_key_value_heads") or heads) * head
    widths = {"q_proj": hidden + heads * head, "k_proj": hidden + keys, "v_proj": hidden + keys}
    widths |= {"o_proj": heads * head + hidden, **dict.fromkeys(("gate_proj", "up_proj", "down_proj"), hidden + inner)}
    targets = {target.rpartition(".")[2] for target in model.lora.targets} or set(widths)
    return model.lora.rank * found["num_hidden_layers"] * sum(widths.get(target, 0) for target in targets)


def memory_of(config: RunConfig) -> Memory | None:
    """Peak of an update on one device, or None when the model's size is unknown.

    Weights, gradients and AdamW's moments are exact for dense training; activations count what one micro-batch
    saves for its backward pass in every layer; or one layer and the borders of all, or of two (`model.activations`).
    """
    parameters = parameter_count(config.model)
    if parameters is None:
        return None
    bytes_each = BYTES[config.model.dtype]
    weights = parameters * bytes_each
    lora = config.model.lora.rank > 0
    adapters = adapter_parameters(config.model)
    trained = adapters if lora else parameters
    trained_in = replace(config.model, dtype="float32") if lora else config.model  # adapters whatever the base
    stages = [config.stages[name] for name in config.pipeline]
    learning = [stage for stage in stages if isinstance(stage, (SFTConfig, ReinforceConfig))]
    engines = {stage.rollout.engine for stage in stages if isinstance(stage, (ReinforceConfig, EvaluateConfig))}
    reference = any(isinstance(stage, ReinforceConfig) and stage.algorithm.kl_coef > 0 for stage in stages)
    return Memory(
        weights=weights + adapters * BYTES["float32"],
        gradients=trained * BYTES[trained_in.dtype] if learning else 0,
        moments=max((states_of(trained, trained_in, stage.optimizer) for stage in learning), default=0),
        reference=weights if reference and not lora and not has_gpu() else 0,
        activations=max((activations_of(config.model, stage.optimizer) for stage in learning), default=0),
        logits=max((logits_of(config.model, stage.optimizer) for stage in learning), default=0),
        engine=weights if engines - {"scripted"} else 0,
    )


def states_of(parameters: int, model: ModelConfig, optimizer: OptimizerConfig) -> int:
    """Bytes of optimizer states, wherever they live: two moments in the weights' dtype, or two of a byte, two float32
    scales for 256 elements, and a residual of a byte under bfloat16."""
    if optimizer.name != "compact_adamw":
        return 2 * parameters * BYTES[model.dtype]
    return parameters * (2 + (model.dtype == "bfloat16")) + parameters // 32


def activations_of(model: ModelConfig, optimizer: OptimizerConfig) -> int:
    """Bytes one micro-batch saves for its backward pass; hub models without a local folder count as none."""
    shape = shape_of(model)
    if shape is None:
        return 0
    hidden, inner, layers = shape
    layer = ACTIVATION_WIDTHS * hidden + 4 * inner
    saved = {"keep": layers * layer, "recompute": layers * hidden + layer, "offload": 2 * hidden + layer}[
        model.activations
    ]
    return saved * optimizer.max_tokens_per_micro_batch * BYTES[model.dtype]


def logits_of(model: ModelConfig, optimizer: OptimizerConfig) -> int:
    """Bytes of the logits formed at once, which become their own gradient; `kernels.token_logprob` caps them."""
    vocabulary = BYTE_VOCABULARY if model.scratch.tokenizer == "bytes" else model.scratch.vocab_size
    tokens = optimizer.max_tokens_per_micro_batch
    return min(LOGITS_BYTES, tokens * vocabulary * BYTES[model.dtype]) if model.name == "scratch" else LOGITS_BYTES


def shape_of(model: ModelConfig) -> tuple[int, int, int] | None:
    """Hidden size, feed-forward width and layers, where the config or a local folder tells."""
    if model.name == "scratch":
        return model.scratch.hidden_size, model.scratch.intermediate_size, model.scratch.layers
    described = Path(model.name).expanduser() / "config.json"
    if not described.is_file():
        return None
    values = json.loads(described.read_text(encoding="utf-8"))
    sizes = tuple(values.get(key) for key in ("hidden_size", "intermediate_size", "num_hidden_layers"))
    return sizes if all(isinstance(size, int) for size in sizes) else None
