from __future__ import annotations

import pytest
from transformers import MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from grpo.update.attention import require_supported
from tests.update.conftest import FAMILIES, SHAPE, tiny_model


@pytest.mark.parametrize("attention", ["shared_prompt", "flex", "sdpa", "eager"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_families_are_supported(family: str, attention: str) -> None:
    require_supported(tiny_model(family, attention=attention))


def test_sliding_layers_are_refused() -> None:
    config = Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=8, max_window_layers=1)
    with pytest.raises(ValueError, match=r"layer_types of Qwen2ForCausalLM has \['sliding_attention'\]"):
        require_supported(Qwen2ForCausalLM(config))


def test_a_window_without_layer_types_is_refused() -> None:
    with pytest.raises(ValueError, match="sliding_window=8 of Mistral"):
        require_supported(MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=8)))


def test_softcapped_scores_are_refused() -> None:
    model = tiny_model()
    model.config.attn_logit_softcapping = 50.0
    with pytest.raises(ValueError, match=r"attn_logit_softcapping=50\.0"):
        require_supported(model)


def test_another_attention_is_refused() -> None:
    model = tiny_model()
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ValueError, match="'flash_attention_2': packed streams need one of shared_prompt, flex"):
        require_supported(model)
