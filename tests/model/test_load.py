"""What the loaded model is told about attention and activations, and what stays out of its files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from grpo.config.slices import ModelConfig, ScratchConfig
from grpo.model.load import load_model
from grpo.model.scratch import write_scratch_model
from grpo.update.attention import IMPLEMENTATIONS, require_supported

SMALL = ScratchConfig(hidden_size=32, layers=2, attention_heads=2, key_value_heads=1, intermediate_size=48)


@pytest.mark.parametrize("attention", sorted(IMPLEMENTATIONS))
def test_attention_reaches_the_model_and_not_its_files(tmp_path: Path, attention: str) -> None:
    config = ModelConfig(attention=attention, scratch=SMALL)
    write_scratch_model(config.scratch, (), 0, tmp_path / "model")
    model = load_model(tmp_path / "model", config).model
    require_supported(model)
    assert model.config._attn_implementation == IMPLEMENTATIONS[attention]
    model.save_pretrained(tmp_path / "saved")
    assert "attn" not in (tmp_path / "saved" / "config.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("mode", "calls"), [("keep", 2), ("recompute", 4), ("offload", 4)])
def test_activations_reach_the_layers(tmp_path: Path, mode: str, calls: int) -> None:
    config = ModelConfig(activations=mode, scratch=SMALL)
    write_scratch_model(config.scratch, (), 0, tmp_path)
    model = load_model(tmp_path, config).model
    seen = []
    for layer in model.model.layers:
        layer.mlp.register_forward_pre_hook(lambda *_: seen.append(1))
    model(input_ids=torch.tensor([[1, 2, 3]], device=model.device), use_cache=False).logits.sum().backward()
    assert len(seen) == calls
