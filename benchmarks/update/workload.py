"""What is updated on what: model shapes, one group of completions, and the settings both sides share."""

from __future__ import annotations

import json
import random
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from grpo.algorithm.advantages.group_mean_std import group_mean_std
from grpo.algorithm.advantages.rewards import StepRewards
from grpo.config.slices import ScratchConfig
from grpo.model.scratch import write_scratch_model

REWARDS = (1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
"""Of the completions in order, repeated as needed: no group is dead."""
LEARNING_RATE = 1e-12
"""So small that the weights stay what they are: every step does the same work and must give the same loss."""
RESERVED_TOKENS = 300
"""Ids below it belong to the tokenizer, its special tokens among them, and are not drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """A Qwen2 model with tied embeddings."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    vocab: int = 151936


MODELS = {
    "tiny": ModelShape(hidden=64, intermediate=128, layers=2, heads=4, key_value_heads=2, vocab=2048),
    "0.1B": ModelShape(hidden=512, intermediate=1408, layers=12, heads=8, key_value_heads=2),
    "0.5B": ModelShape(hidden=896, intermediate=4864, layers=24, heads=14, key_value_heads=2),
    "1.5B": ModelShape(hidden=1536, intermediate=8960, layers=28, heads=12, key_value_heads=2),
}
"""`0.5B` and `1.5B` are those of Qwen2.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Of one group, tokens."""

    prompt: int
    completions: tuple[int, ...]

    @property
    def context(self) -> int:
        return self.prompt + max(self.completions)


UNEVEN = (448, 387, 325, 262, 212, 162, 112, 60)
CASES = {
    "main": Lengths(prompt=64, completions=UNEVEN),
    "short_prompt": Lengths(prompt=16, completions=UNEVEN),
    "equal": Lengths(prompt=64, completions=(sum(UNEVEN) // 8,) * 8),
    "long": Lengths(prompt=512, completions=(3584, 3100, 2600, 2100, 1700, 1300, 900, 484)),
    "tiny": Lengths(prompt=6, completions=(16, 12, 9, 7, 5, 4, 3, 2)),
}
"""`long` is for GPUs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What both sides are given alike, AdamW (fused, no weight decay) with it."""

    dtype: str = "float32"
    """Of weights, gradients, moments and activations."""
    activations: str = "keep"
    """`keep` or `recompute` (gradient checkpointing)."""
    max_grad_norm: float = 1.0
    threads: int = 2
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One group: ids, advantages, and the log-probs it was sampled with once the reference has them."""

    prompt: tuple[int, ...]
    completions: tuple[tuple[int, ...], ...]
    advantages: tuple[float, ...]
    logprobs: tuple[tuple[float, ...], ...] = ()

    @property
    def tokens(self) -> int:
        """Of the completions."""
        return sum(len(ids) for ids in self.completions)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def load_rollout(path: Path) -> Rollout:
    """As `Rollout.save` wrote it."""
    saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Rollout(
        prompt=tuple(saved["prompt"]),
        completions=tuple(map(tuple, saved["completions"])),
        advantages=tuple(saved["advantages"]),
        logprobs=tuple(map(tuple, saved["logprobs"])),
    )


def make_rollout(lengths: Lengths, vocab: int, seed: int) -> Rollout:
    """Random tokens; advantages of the rewards as our default computes them."""
    rng = random.Random(f"{lengths} {vocab} {seed}")

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(RESERVED_TOKENS, vocab) for _ in range(count))

    rewards = [REWARDS[index % len(REWARDS)] for index in range(len(lengths.completions))]
    return Rollout(
        prompt=tokens(lengths.prompt),
        completions=tuple(tokens(count) for count in lengths.completions),
        advantages=tuple(group_mean_std(StepRewards(totals=[rewards], lengths=[lengths.completions]))[0]),
    )


def write_model(shape: ModelShape, context: int, dtype: str, seed: int, folder: Path) -> int:
    """A folder with random weights and a small tokenizer of ours (only TRL looks at it); returns the parameters."""
    with tempfile.TemporaryDirectory() as place:
        write_scratch_model(ScratchConfig(), (), seed, Path(place) / "scratch")
        tokenizer = AutoTokenizer.from_pretrained(str(Path(place) / "scratch"), local_files_only=True)
    config = Qwen2Config(
        vocab_size=shape.vocab,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(config).to(getattr(torch, dtype))
    model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return int(model.num_parameters())
