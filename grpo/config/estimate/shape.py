"""The sizes of a model that decide its memory, from the config, a local `config.json`, or at least its name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from grpo.config.slices import ModelConfig, ScratchConfig

BYTE_VOCABULARY = 262
"""Tokens of the `bytes` tokenizer: bytes, tags and special tokens."""
BYTES = {"float32": 4, "bfloat16": 2}
NEEDED = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Of a gated decoder of the Llama and Qwen family."""

    vocabulary: int
    hidden: int
    inner: int
    """Width of the gated feed-forward layer."""
    layers: int
    queries: int
    """Query heads times their size."""
    keys: int
    """Key heads times their size; values are as wide."""
    head: int
    """Size of a head."""
    tied: bool
    """Whether the output head is the input embedding."""
    query_norms: bool
    """Queries and keys are normalised, as in Qwen3."""
    biases: bool
    """Queries, keys and values have biases, as in Qwen2."""
    context: int
    """Longest prompt plus completion, tokens."""

    @property
    def layer_parameters(self) -> int:
        attention = 2 * self.hidden * (self.queries + self.keys)
        attention += (self.queries + 2 * self.keys) * self.biases + 2 * self.head * self.query_norms
        return attention + 3 * self.hidden * self.inner + 2 * self.hidden

    @property
    def head_parameters(self) -> int:
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        embeddings = self.head_parameters * (1 if self.tied else 2)
        return embeddings + self.layers * self.layer_parameters + self.hidden

    @property
    def largest_parameter(self) -> int:
        return max(self.head_parameters, self.hidden * max(self.inner, self.queries))


def shape_of(model: ModelConfig) -> Shape | None:
    """Of `scratch` or a local folder; None for a hub id and for another architecture."""
    if model.name == "scratch":
        return described_shape(scratch_description(model.scratch))
    described = Path(model.name).expanduser() / "config.json"
    return described_shape(json.loads(described.read_text(encoding="utf-8"))) if described.is_file() else None


def scratch_description(shape: ScratchConfig) -> dict[str, object]:
    """The `config.json` of the small Qwen2 model; `bpe` vocabularies count as full."""
    return {
        "vocab_size": BYTE_VOCABULARY if shape.tokenizer == "bytes" else shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.attention_heads,
        "num_key_value_heads": shape.key_value_heads,
        "tie_word_embeddings": shape.tie_embeddings,
        "max_position_embeddings": shape.context,
        "model_type": "qwen2",
    }


def described_shape(described: Mapping[str, object]) -> Shape | None:
    """From the keys of a `config.json`, or None for another architecture."""
    sizes = [described.get(key) for key in NEEDED]
    if not all(isinstance(size, int) for size in sizes):
        return None
    vocabulary, hidden, inner, layers, heads = (int(str(size)) for size in sizes)
    head = int(str(described.get("head_dim") or hidden // heads))
    return Shape(
        vocabulary=vocabulary,
        hidden=hidden,
        inner=inner,
        layers=layers,
        queries=heads * head,
        keys=int(str(described.get("num_key_value_heads") or heads)) * head,
        head=head,
        tied=bool(described.get("tie_word_embeddings")),
        query_norms=described.get("model_type") == "qwen3",
        biases=described.get("model_type") == "qwen2",
        context=int(str(described.get("max_position_embeddings") or 2**30)),
    )


def parameter_count(model: ModelConfig) -> int | None:
    """Parameters of the policy: exact where the shape is known, else off a name such as `Qwen2.5-1.5B`, or None."""
    shape = shape_of(model)
    if shape is not None:
        return shape.parameters
    size = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([BbMm])(?![a-zA-Z])", model.name.replace("-", " "))
    return round(float(size[1]) * (1e9 if size[2] in "Bb" else 1e6)) if size else None


def adapter_parameters(model: ModelConfig) -> int:
    """Parameters of the adapters, (in + out) · rank for each target; 0 without adapters, or where no shape is known."""
    shape = shape_of(model)
    if shape is None or model.lora.rank == 0:
        return 0
    keys, queries, mlp = shape.hidden + shape.keys, shape.hidden + shape.queries, shape.hidden + shape.inner
    widths = {"q_proj": queries, "k_proj": keys, "v_proj": keys, "o_proj": queries}
    widths |= dict.fromkeys(("gate_proj", "up_proj", "down_proj"), mlp)
    targets = {target.rpartition(".")[2] for target in model.lora.targets} or set(widths)
    return model.lora.rank * shape.layers * sum(widths.get(target, 0) for target in targets)
