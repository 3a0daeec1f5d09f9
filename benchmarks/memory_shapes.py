"""The runs whose memory is estimated and measured, and the model folders they start from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REWARD = Path(__file__).with_name("made_up_reward.py")
EXPORT = "pipeline=[rl,export]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One run: differences to the default config, and to a model folder's `config.json`."""

    name: str
    held_out: bool
    """Whether the estimate was made without looking at it; the others set its constants."""
    model: dict[str, Any] = field(default_factory=dict)
    """Keys of `config.json`; empty: `model=scratch`."""
    overrides: tuple[str, ...]


def reinforce(prompts: int, completions: int, tokens: int, cap: int, *more: str) -> tuple[str, ...]:
    """Overrides of two RL steps."""
    return (
        f"stages.rl.prompts_per_step={prompts}",
        f"rollout.completions_per_prompt={completions}",
        f"rollout.max_tokens={tokens}",
        f"optimizer.max_tokens_per_micro_batch={cap}",
        *more,
    )


def decoder(
    kind: str, vocabulary: int, hidden: int, inner: int, layers: int, heads: int, **more: Any
) -> dict[str, Any]:
    """Keys of a `config.json`."""
    return {
        "model_type": kind,
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "tie_word_embeddings": False,
        "max_position_embeddings": 512,
    } | more


def scratch(hidden: int, inner: int, layers: int, heads: int) -> tuple[str, ...]:
    """Overrides of `model.scratch`."""
    return (
        f"model.scratch.hidden_size={hidden}",
        f"model.scratch.intermediate_size={inner}",
        f"model.scratch.layers={layers}",
        f"model.scratch.attention_heads={heads}",
        f"model.scratch.key_value_heads={heads // 2}",
        "model.scratch.context=512",
    )


SHAPES = (
    Shape(
        name="tiny",
        held_out=False,
        overrides=(
            "debug=tiny",
            "model.scratch.hidden_size=32",
            "model.scratch.intermediate_size=64",
            "stages.cold_start.steps=2",
            "stages.cold_start.demonstrations_per_step=8",
            "stages.rl.steps=2",
            "stages.rl.prompts_per_step=4",
            "model.scratch.context=128",
            "checkpoint.every=1",
            "pipeline=[cold_start,rl,export]",
        ),
    ),
    Shape(
        name="scratch_keep",
        held_out=False,
        overrides=(*scratch(512, 1536, 8, 8), *reinforce(8, 8, 96, 2048, EXPORT)),
    ),
    Shape(
        name="vocabulary_bfloat16_recompute",
        held_out=False,
        model=decoder("qwen2", 64000, 512, 1408, 8, 8, num_key_value_heads=2, tie_word_embeddings=True),
        overrides=reinforce(8, 8, 64, 4096, EXPORT, "model.dtype=bfloat16", "model.activations=recompute"),
    ),
    Shape(
        name="supervised",
        held_out=False,
        overrides=(
            *scratch(768, 2048, 6, 12),
            "pipeline=[cold_start]",
            "optimizer.max_tokens_per_micro_batch=4096",
            "stages.cold_start.demonstrations_per_step=64",
        ),
    ),
    Shape(
        name="sampling_heavy",
        held_out=False,
        model=decoder("llama", 48000, 256, 768, 4, 4, num_key_value_heads=4),
        overrides=reinforce(16, 16, 64, 512, EXPORT),
    ),
    Shape(
        name="held_out_keep_float32",
        held_out=True,
        model=decoder("llama", 32000, 640, 1728, 10, 10, num_key_value_heads=5),
        overrides=reinforce(4, 8, 160, 1024, EXPORT),
    ),
    Shape(
        name="held_out_bfloat16_recompute",
        held_out=True,
        model=decoder("qwen3", 100000, 384, 1152, 12, 6, num_key_value_heads=2, head_dim=64, tie_word_embeddings=True),
        overrides=reinforce(8, 4, 96, 4096, EXPORT, "model.dtype=bfloat16", "model.activations=recompute"),
    ),
    Shape(
        name="held_out_two_stages_kl",
        held_out=True,
        overrides=(
            *scratch(768, 2304, 9, 12),
            *reinforce(
                8,
                8,
                64,
                1536,
                "algorithm.kl_coef=0.01",
                "pipeline=[cold_start,rl,export]",
                "stages.cold_start.demonstrations_per_step=48",
            ),
        ),
    ),
)
QUICK = ("tiny", "scratch_keep")
