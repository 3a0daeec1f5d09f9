"""What is read from a model folder, and the check of a weight update against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from grpo.rollouts.checkpoint import Checkpoint
from grpo.rollouts.engine import EngineError
from grpo.rollouts.registry import start_engine
from grpo.types import SamplingSettings
from tests.rollouts.conftest import ModelFolder
from tests.rollouts.tiny_models import EOS, VOCAB, build_model, engine_settings, prompts


def test_reads_shapes_and_end_tokens(model_folder: ModelFolder) -> None:
    untied, tied = (Checkpoint.read(model_folder(kind)) for kind in (False, True))
    assert untied.shapes["model.embed_tokens.weight"] == (VOCAB, 64)
    assert set(untied.shapes) - set(tied.shapes) == {"lm_head.weight"}
    assert untied.eos_token_ids == (EOS,) and untied.vocab_size == VOCAB


def test_generation_config_rules_over_config(tmp_path: Path) -> None:
    build_model(tied=True).save_pretrained(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 6]}))
    assert Checkpoint.read(tmp_path).eos_token_ids == (5, 6)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "eos_token_id": None}))
    (tmp_path / "generation_config.json").unlink()
    with pytest.raises(ValueError, match="names no end-of-sequence token"):
        Checkpoint.read(tmp_path)


def test_weights_must_be_safetensors(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 1, "vocab_size": 4}))
    with pytest.raises(ValueError, match="no safetensors"):
        Checkpoint.read(tmp_path)


FAULTS = [("missing", False), ("unknown", False), ("shape", False), ("unknown", True), ("shape", True)]


@pytest.mark.parametrize("name", ["transformers", pytest.param("vllm", marks=(pytest.mark.vllm, pytest.mark.slow))])
@pytest.mark.parametrize(("fault", "partial"), FAULTS)
def test_a_bad_update_is_an_error_and_stops_the_engine(
    model_folder: ModelFolder, fault: str, partial: bool, name: str
) -> None:
    engine = start_engine(engine_settings(name, model_folder(False)))
    weights: dict[str, torch.Tensor] = dict(build_model(tied=False).named_parameters())
    if fault == "missing":
        del weights["model.norm.weight"]
        message = "1 of .* tensors are missing: model.norm.weight"
    elif fault == "unknown":
        weights["model.extra"] = torch.zeros(1)
        message = "'model.extra' is not in the checkpoint"
    else:
        weights["model.norm.weight"] = torch.zeros(3)
        message = r"'model.norm.weight' has shape \(3,\), the checkpoint \(64,\)"
    with pytest.raises(EngineError, match=message):
        engine.update_weights(weights.items(), 1, partial=partial)
    with pytest.raises(EngineError, match="failed weight update"):
        engine.sample(prompts(1), SamplingSettings(completions_per_prompt=1, max_tokens=1))
    engine.close()
    with pytest.raises(EngineError, match="is closed"):
        engine.score([(1, 2)])


QKV = [f"model.layers.1.self_attn.{layer}_proj" for layer in "qkv"]


def test_a_partial_update_brings_the_linear_layers_of_a_block_together(model_folder: ModelFolder) -> None:
    checkpoint = Checkpoint.read(model_folder(False))
    weights = dict(build_model(tied=False).named_parameters())
    block = {name for name in weights if name.startswith("model.layers.1.self_attn.")}
    assert len(block) == 7  # four weights, three biases
    assert checkpoint.beside({"model.layers.1.self_attn.q_proj.weight"}) == block
    assert checkpoint.beside({"model.norm.weight", "model.layers.1.input_layernorm.weight"}) == set()
    assert checkpoint.beside({"lm_head.weight"}) == {"lm_head.weight"}
    for given in (block, ["model.norm.weight"], ["lm_head.weight", "model.embed_tokens.weight"], []):
        assert len(list(checkpoint.checked(((name, weights[name]) for name in given), partial=True))) == len(given)
    with pytest.raises(EngineError, match=r"5 of 7 tensors are missing: model.layers.1.self_attn.k_proj.bias, .*block"):
        list(checkpoint.checked(((f"{name}.weight", weights[f"{name}.weight"]) for name in QKV[::2]), partial=True))
