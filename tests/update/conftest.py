from __future__ import annotations

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from grpo.update.attention import IMPLEMENTATIONS

SHAPE = {
    "vocab_size": 23,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
FAMILIES = {
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 8}),
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
}


def tiny_model(
    family: str = "qwen2", *, tied: bool = False, attention: str = "shared_prompt", seed: int = 0, **shape: float
) -> PreTrainedModel:
    """Two random layers with weights large enough that mistakes show."""
    config_class, model_class, more = FAMILIES[family]
    torch.manual_seed(seed)
    config = config_class(
        **(SHAPE | more | shape), tie_word_embeddings=tied, attn_implementation=IMPLEMENTATIONS[attention]
    )
    return model_class(config).eval()


@pytest.fixture
def model() -> PreTrainedModel:
    return tiny_model()
