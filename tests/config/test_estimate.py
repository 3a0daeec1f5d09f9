"""Batch arithmetic by hand, parameters against real models, memory and work against their definitions."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from grpo.config.docs import document, unexplained
from grpo.config.estimate import (
    Phase,
    adapter_parameters,
    batch_lines,
    memory_of,
    parameter_count,
    parts,
    savings,
    training_flops,
    work_of,
)
from grpo.config.leaves import all_leaves
from grpo.config.load import load_config
from grpo.config.schema import ReinforceConfig, RunConfig
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

    from grpo.config.estimate.shape import BYTE_VOCABULARY
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


def config_with(*overrides: str) -> RunConfig:
    return load_config(["rollout=transformers", *overrides])


def phase_of(config: RunConfig, label: str, *, gpu: bool = False) -> Phase:
    estimate = memory_of(config, gpu=gpu)
    assert estimate is not None
    return next(phase for phase in estimate.phases if phase.label == label)


def test_an_update_holds_weights_engine_moments_and_what_a_micro_batch_keeps() -> None:
    """By hand: 658,560 parameters in float32, 262 of 128 of them the head's."""
    config = config_with("stages.rl.prompts_per_step=1", "rollout.completions_per_prompt=2", "rollout.max_tokens=11")
    phase = phase_of(config, "rl update")
    weights, tokens = 4 * 658_560, 8 + 2 * 10
    assert parameter_count(config.model) == 658_560
    assert phase.device["weights"] == phase.device["engine"] == weights
    assert phase.device["moments"] == 2 * weights
    assert phase.device["gradients"] == 4 * 262 * 128
    share = (8 + 2 * (8 + 10)) / tokens
    layer = 2 * 3 * 128 + 2 * 128 + 128 + 2 * 64 * share + 4 * 384
    assert phase.device["activations"] == pytest.approx(tokens * 4 * (3 * layer * parts.HOLES + 3 * 128), rel=1e-6)
    assert phase_of(config, "rl optimizer").device["gradients"] == weights
    assert "reference" not in phase.device
    assert phase_of(config_with("algorithm.kl_coef=0.1"), "rl update").device["reference"] == weights
    in_reward = config_with("algorithm.kl_coef=0.1", "algorithm.kl_in=reward", "algorithm.kl_estimator=k1")
    assert phase_of(in_reward, "rl update").device["reference"] == weights


def test_several_micro_batches_find_all_gradients_there() -> None:
    one, several = config_with("optimizer.max_tokens_per_micro_batch=65536"), config_with()
    assert phase_of(one, "rl update").device["gradients"] < phase_of(several, "rl update").device["gradients"]
    assert phase_of(several, "rl update").device["gradients"] == 4 * 658_560


def test_the_peak_is_the_largest_phase_and_the_engine_stays_once_started() -> None:
    estimate = memory_of(config_with(), gpu=False)
    assert estimate is not None
    labels = [phase.label for phase in estimate.phases]
    assert labels[0] == "create" and "cold_start update" in labels and labels[-1] == "export save"
    assert estimate.peak_bytes == max(phase.total for phase in estimate.phases)
    started = [phase.label for phase in estimate.phases if "engine" in phase.device]
    assert started == labels[labels.index("cold_start_eval rollout") :]


def test_on_a_gpu_host_states_and_the_reference_are_not_on_the_device() -> None:
    config = config_with("algorithm.kl_coef=0.1", "optimizer.states=host")
    cpu, gpu = phase_of(config, "rl update"), phase_of(config, "rl update", gpu=True)
    assert cpu.host == {} and {"reference", "moments"} <= cpu.device.keys()
    assert set(gpu.host) == {"reference", "moments"} and not set(gpu.host) & set(gpu.device)


def test_a_hub_model_without_a_folder_says_what_is_not_counted() -> None:
    estimate = memory_of(load_config(["model=hf", "model.name=Qwen/Qwen2.5-1.5B"]), gpu=True)
    assert estimate is not None
    assert "activations" in estimate.unknown[0] and "Qwen/Qwen2.5-1.5B" in estimate.unknown[0]
    assert (
        phase_of(load_config(["model=hf", "model.name=Qwen/Qwen2.5-1.5B"]), "rl update", gpu=True).device["weights"]
        == 3 * 10**9
    )


def test_adapters_save_gradients_moments_and_the_reference() -> None:
    """Every linear layer but the head, in + out times the rank."""
    shape = ScratchConfig(hidden_size=32, layers=2, attention_heads=4, key_value_heads=2, intermediate_size=48)
    model = ModelConfig(scratch=shape, lora=LoraConfig(rank=3))
    per_layer = (32 + 32) + 2 * (32 + 16) + (32 + 32) + 3 * (32 + 48)
    assert adapter_parameters(model) == 2 * 3 * per_layer
    assert adapter_parameters(ModelConfig(scratch=shape, lora=LoraConfig(rank=3, targets=["v_proj"]))) == 2 * 3 * 48
    assert adapter_parameters(ModelConfig(scratch=shape)) == 0
    config = config_with("algorithm.kl_coef=0.1")
    config.model = model
    device = phase_of(config, "rl update").device
    assert device["gradients"] == 4 * adapter_parameters(model) and device["moments"] == 2 * device["gradients"]
    assert "reference" not in device
    config = config_with("algorithm.kl_coef=0.1", "algorithm.reference_reset_steps=9")
    config.model = model
    assert phase_of(config, "rl update").device["reference"] == 4 * adapter_parameters(model)
    assert device["weights"] == 4 * (parameter_count(model) or 0) + device["gradients"]


def test_the_knobs_that_save_most_are_named_with_what_they_save() -> None:
    deep = "model.scratch.layers=8"
    config = config_with(deep)
    before = memory_of(config, gpu=False)
    found = savings(config, gpu=False)
    assert before is not None and 1 <= len(found) <= 3
    assert found == sorted(found, key=lambda saving: -saving.bytes)
    for saving in found:
        after = memory_of(config_with(deep, saving.change), gpu=False)
        assert after is not None and before.peak_bytes - after.peak_bytes == saving.bytes > 0
    assert "model.activations=recompute" in [saving.change for saving in found]
    assert all("offload" not in saving.change for saving in found), "a CPU's memory is the host's"


def test_what_vllm_cannot_run_is_not_proposed() -> None:
    assert all("bfloat16" not in saving.change for saving in savings(load_config(), gpu=False, most=9))


def test_limits_are_the_kernels_and_the_engine_slots() -> None:
    from grpo.config.estimate import memory
    from grpo.kernels.token_logprob import chunks
    from grpo.stages import engine_slot

    assert (chunks.CHUNK_ENTRIES, chunks.NARROWER) == (parts.CHUNK_ENTRIES, parts.NARROWER)
    assert (memory.MOST_AT_ONCE, memory.EVALUATED_AT_ONCE) == (
        engine_slot.MOST_SEQUENCES,
        engine_slot.EVALUATED_AT_ONCE,
    )


def test_configuration_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == document(), "run: python -m grpo.config.docs > docs/configuration.md"


def test_every_knob_is_explained_and_they_stay_few() -> None:
    assert list(unexplained()) == []
    assert len(all_leaves()) < 150


def test_bytes_of_optimizer_states() -> None:
    """Two moments in the weights' dtype; or two bytes, a residual under bfloat16, and two float32 scales for 256."""
    found = {
        (name, dtype): parts.states(1024, dtype, OptimizerConfig(name=name))
        for name in ("adamw", "compact_adamw")
        for dtype in ("float32", "bfloat16")
    }
    assert found == {
        ("adamw", "float32"): 8192,
        ("adamw", "bfloat16"): 4096,
        ("compact_adamw", "float32"): 2048 + 32,
        ("compact_adamw", "bfloat16"): 3072 + 32,
    }
