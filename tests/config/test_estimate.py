"""Batch arithmetic by hand, parameters against real models, memory and work against their definitions."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from grpo.config.docs import document, unexplained
from grpo.config.estimate import (
    LOGITS_BYTES,
    activations_of,
    adapter_parameters,
    batch_lines,
    memory_of,
    parameter_count,
    states_of,
    training_flops,
    work_of,
)
from grpo.config.leaves import all_leaves
from grpo.config.load import load_config
from grpo.config.schema import ReinforceConfig
from grpo.config.slices import LoraConfig, ModelConfig, OptimizerConfig, ScratchConfig

DEFAULT = load_config()
ROOT = Path(__file__).resolve().parents[2]


def test_batch_arithmetic() -> None:
    config = copy.deepcopy(DEFAULT)
    stage = config.stages["rl"]
    assert isinstance(stage, ReinforceConfig)
    stage.prompts_per_step, stage.optimizer_steps_per_rollout, stage.steps = 32, 1, 100
    stage.rollout.completions_per_prompt, stage.rollout.max_tokens = 8, 100
    stage.optimizer.max_tokens_per_micro_batch = 8192
    line = next(line for line in batch_lines(config) if line.startswith("rl:"))
    assert line == (
        "rl: 32 prompts × 8 completions = 256 completions of ≤ 100 tokens → about 4 micro-batches of ≤ 8192 tokens → "
        "1 optimizer step, 100 times"
    )
    stage.optimizer_steps_per_rollout = 5
    line = next(line for line in batch_lines(config) if line.startswith("rl:"))
    assert "about 5 micro-batches" in line and "5 optimizer steps" in line


def test_work_counts_every_stage() -> None:
    config = copy.deepcopy(DEFAULT)
    stage = config.stages["rl"]
    assert isinstance(stage, ReinforceConfig)
    stage.steps, stage.prompts_per_step, stage.rollout.completions_per_prompt, stage.rollout.max_tokens = 2, 3, 5, 7
    work = {one.name: one for one in work_of(config)}
    assert (work["rl"].sampled, work["rl"].trained) == (210, 210)
    assert (work["export"].sampled, work["export"].trained) == (0, 0)
    assert work["cold_start"].sampled == 0 < work["cold_start"].trained
    assert training_flops(10, [work["rl"]]) == 10 * (6 + 2) * 210


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("tokenizer", ["bytes", "bpe"])
def test_scratch_parameters_equal_the_real_model(tied: bool, tokenizer: str) -> None:
    from transformers import Qwen2ForCausalLM

    from grpo.config.estimate import BYTE_VOCABULARY
    from grpo.model.scratch import EOS, PAD, TAGS

    assert len({PAD, EOS, *TAGS}) + 256 == BYTE_VOCABULARY
    shape = ScratchConfig(tokenizer=tokenizer, vocab_size=300, hidden_size=48, layers=2, attention_heads=6,
                          key_value_heads=2, intermediate_size=80, tie_embeddings=tied)  # fmt: skip
    from transformers import Qwen2Config

    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=BYTE_VOCABULARY if tokenizer == "bytes" else 300, hidden_size=48, intermediate_size=80,
            num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2, tie_word_embeddings=tied,
        )
    )  # fmt: skip
    assert parameter_count(ModelConfig(scratch=shape)) == sum(weight.numel() for weight in model.parameters())


def test_parameters_of_a_folder_and_of_a_name(tmp_path: Path) -> None:
    qwen = {
        "model_type": "qwen2", "vocab_size": 151936, "hidden_size": 896, "intermediate_size": 4864,
        "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2, "tie_word_embeddings": True,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(qwen))
    assert parameter_count(ModelConfig(name=str(tmp_path))) == 494_032_768  # as published for Qwen2.5-0.5B
    assert parameter_count(ModelConfig(name="Qwen/Qwen2.5-1.5B-Instruct")) == 1_500_000_000
    assert parameter_count(ModelConfig(name="HuggingFaceTB/SmolLM2-135M")) == 135_000_000
    assert parameter_count(ModelConfig(name="someone/some-model")) is None


def test_memory_adds_up() -> None:
    memory, parameters = memory_of(DEFAULT), parameter_count(DEFAULT.model)
    assert memory is not None and parameters is not None
    assert memory.weights == memory.gradients == 4 * parameters
    assert memory.moments == 8 * parameters
    assert memory.reference == 0
    assert memory.total == 5 * memory.weights + memory.activations + memory.logits
    config = copy.deepcopy(DEFAULT)
    stage = config.stages["rl"]
    assert isinstance(stage, ReinforceConfig)
    stage.algorithm.kl_coef = 0.1
    larger = memory_of(config)
    assert larger is not None and larger.total - memory.total == memory.weights


def test_adapters_save_gradients_moments_and_the_reference() -> None:
    """Every linear layer but the head, in + out times the rank."""
    shape = ScratchConfig(hidden_size=32, layers=2, attention_heads=4, key_value_heads=2, intermediate_size=48)
    model = ModelConfig(scratch=shape, lora=LoraConfig(rank=3))
    per_layer = (32 + 32) + 2 * (32 + 16) + (32 + 32) + 3 * (32 + 48)
    assert adapter_parameters(model) == 2 * 3 * per_layer
    assert adapter_parameters(ModelConfig(scratch=shape, lora=LoraConfig(rank=3, targets=["v_proj"]))) == 2 * 3 * 48
    assert adapter_parameters(ModelConfig(scratch=shape)) == 0
    config = copy.deepcopy(DEFAULT)
    config.model = model
    stage = config.stages["rl"]
    assert isinstance(stage, ReinforceConfig)
    stage.algorithm.kl_coef = 0.1
    memory = memory_of(config)
    assert memory is not None
    assert memory.gradients == 4 * adapter_parameters(model) and memory.moments == 2 * memory.gradients
    assert memory.reference == 0 and memory.weights == 4 * (parameter_count(model) or 0) + memory.gradients


def test_recomputing_offloading_and_smaller_micro_batches_save_activations() -> None:
    model, optimizer = ModelConfig(), OptimizerConfig()
    whole = activations_of(model, optimizer)
    recomputed = activations_of(ModelConfig(activations="recompute"), optimizer)
    assert activations_of(ModelConfig(activations="offload"), optimizer) < recomputed < whole
    assert activations_of(model, OptimizerConfig(max_tokens_per_micro_batch=4096)) == whole // 2


def test_logit_cap_is_the_kernels() -> None:
    from grpo.kernels.token_logprob import chunks

    assert chunks.BUFFER_BYTES["cpu"] == LOGITS_BYTES


def test_configuration_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == document(), "run: python -m grpo.config.docs > docs/configuration.md"


def test_every_knob_is_explained_and_they_stay_few() -> None:
    assert list(unexplained()) == []
    assert len(all_leaves()) < 150


def test_bytes_of_optimizer_states() -> None:
    """Two moments in the weights' dtype; or two bytes, a residual under bfloat16, and two float32 scales for 256."""
    found = {
        (name, dtype): states_of(1024, ModelConfig(dtype=dtype), OptimizerConfig(name=name))
        for name in ("adamw", "compact_adamw")
        for dtype in ("float32", "bfloat16")
    }
    assert found == {
        ("adamw", "float32"): 8192,
        ("adamw", "bfloat16"): 4096,
        ("compact_adamw", "float32"): 2048 + 32,
        ("compact_adamw", "bfloat16"): 3072 + 32,
    }
