"""Tiny Qwen2 models, made on the fly, and what the tests of every engine need around them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from grpo.rollouts.engine import EngineSettings, RolloutEngine
from grpo.types import Group, Prompt

VOCAB, CONTEXT, EOS = 48, 320, 1
BLOCK = 128
"""Tokens of one block of vLLM's prefix cache on CPU; prompts above it are cached."""


def build_model(*, tied: bool, seed: int = 0) -> Any:
    """A two-layer Qwen2 whose weights are large enough for clearly uneven distributions."""
    config = transformers.Qwen2Config(
        vocab_size=VOCAB,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=tied,
        initializer_range=0.2,
        eos_token_id=EOS,
        bos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    return transformers.Qwen2ForCausalLM(config).eval()


def perturbed(model: Any, seed: int = 1, scale: float = 0.2) -> dict[str, torch.Tensor]:
    """Every weight of the model moved by Gaussian noise, named as in its checkpoint."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: weight.detach() + scale * torch.randn(weight.shape, generator=generator)
        for name, weight in model.named_parameters()
    }


def loaded(model: Any, weights: dict[str, torch.Tensor]) -> Any:
    """A model of the same shape with these weights."""
    other = build_model(tied=model.config.tie_word_embeddings)
    other.load_state_dict(weights, strict=False)
    other.tie_weights()
    return other


def prompts(count: int, *, first_seed: int = 0, shortest: int = 3, longest: int = 14) -> list[Prompt]:
    generator = random.Random(count + first_seed)
    return [
        Prompt(
            problem_id=f"p{index}",
            token_ids=tuple(generator.randrange(2, VOCAB) for _ in range(generator.randint(shortest, longest))),
            seed=first_seed + index,
        )
        for index in range(count)
    ]


def sampled(groups: list[Group]) -> list[tuple[int, ...]]:
    return [completion.token_ids for group in groups for completion in group.completions]


def largest_difference(found: list[tuple[float, ...]], wanted: list[tuple[float, ...]]) -> float:
    return max(abs(a - b) for row, other in zip(found, wanted, strict=True) for a, b in zip(row, other, strict=True))


@dataclass
class Subject:
    """An engine under test and a twin of its model (weights of version 0)."""

    engine: RolloutEngine
    model: Any
    tied: bool

    @property
    def scripted(self) -> bool:
        return self.engine.name == "scripted"


def engine_settings(name: str, folder: Path, **changes: Any) -> EngineSettings:
    values: dict[str, Any] = {
        "name": name,
        "model_folder": folder,
        "context": CONTEXT,
        "max_sequences": 64,
        "deadline_seconds": 120.0,
        "log_path": folder / f"{name}.log",
        "cpu_kv_cache_gib": 0.25,
    }
    return EngineSettings(**{**values, **changes})
