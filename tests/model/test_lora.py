"""Adapters: what they change, what they send and save, against peft's own loading and plain matrix products."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from grpo.config.estimate import adapter_parameters
from grpo.config.slices import LoraConfig, ModelConfig, ScratchConfig
from grpo.model.load import LoadedModel, load_model
from grpo.model.lora import Adapters
from grpo.model.scratch import write_scratch_model
from grpo.run.manifest import read_manifest
from grpo.update.policy import Policy
from tests.update.conftest import FAMILIES, tiny_model
from tests.update.test_policy import LIMITS, packed

peft = pytest.importorskip("peft", reason="peft is not installed: pip install -e .[lora]")
IDS = torch.tensor([[3, 4, 5, 6, 7, 8, 9, 10]])
LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def adapted(model: PreTrainedModel, moved: float = 0.3, **config: object) -> Adapters:
    """Adapters of rank 4 whose B matrices have left 0."""
    adapters = Adapters(model, LoraConfig(**{"rank": 4, "alpha": 8.0, **config}), seed=1, base_name="base")  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.copy_(moved * torch.randn(parameter.shape, generator=generator))
    return adapters


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_fresh_adapters_change_nothing_and_alone_train(family: str, tied: bool) -> None:
    plain, model = tiny_model(family, tied=tied), tiny_model(family, tied=tied)
    adapters = Adapters(model, LoraConfig(rank=4), seed=1, base_name="base")
    assert type(model) is type(plain)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert len(trained) == 2 * 2 * len(LINEAR)  # A and B in two layers
    assert {name.split(".")[-4] for name in trained} == LINEAR
    assert not model.get_output_embeddings().weight.requires_grad
    assert torch.equal(packed(Policy(model, adapters), 0.8), packed(Policy(plain), 0.8))
    assert [name for name, _ in adapters.merged_weights()] == [name for name, _ in Policy(plain).named_weights()]
    for (name, merged), (_, weight) in zip(adapters.merged_weights(), plain.named_parameters(), strict=True):
        assert torch.equal(merged, weight), name


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_merged_equals_unmerged(family: str, tied: bool) -> None:
    """W + alpha / rank · B·A by hand; the merged model computes what the adapted one does."""
    plain, model = tiny_model(family, tied=tied), tiny_model(family, tied=tied)
    adapters = adapted(model)
    merged = dict(adapters.merged_weights())
    layer = model.model.layers[1].mlp.up_proj
    a, b = layer.lora_A["default"].weight.double(), layer.lora_B["default"].weight.double()
    by_hand = plain.model.layers[1].mlp.up_proj.weight.double() + 8.0 / 4.0 * b @ a
    assert (merged["model.layers.1.mlp.up_proj.weight"] - by_hand).abs().max() < 1e-6
    before = packed(Policy(plain), 0.8)
    plain.load_state_dict(merged, strict=False)
    plain.tie_weights()
    found = packed(Policy(model, adapters), 0.8)
    assert (found - packed(Policy(plain), 0.8)).abs().max() < 2e-5
    assert (found - before).abs().max() > 0.1


def test_the_gradient_is_that_of_plain_matrices() -> None:
    """d/dA and d/dB from the merged model's dW: s·Bᵀ·dW and s·dW·Aᵀ."""
    model, plain = tiny_model(), tiny_model()
    adapters = adapted(model)
    plain.load_state_dict(dict(adapters.merged_weights()), strict=False)
    packed(Policy(model, adapters), 0.8).sum().backward()
    packed(Policy(plain), 0.8).sum().backward()
    for name, layer in (
        ("q_proj", model.model.layers[0].self_attn.q_proj),
        ("down_proj", model.model.layers[1].mlp.down_proj),
    ):
        twin = plain.model.layers[0].self_attn if name == "q_proj" else plain.model.layers[1].mlp
        dense = getattr(twin, name).weight.grad
        a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        for found, wanted in ((a.grad, 2.0 * b.T @ dense), (b.grad, 2.0 * dense @ a.T)):
            assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
    assert model.get_output_embeddings().weight.grad is None


def test_changed_weights_are_whole_blocks() -> None:
    model = tiny_model()
    adapters = adapted(model, targets=["q_proj", "1.mlp.up_proj"])
    changed = dict(adapters.merged_weights(changed_only=True))
    attention = {f"self_attn.{x}_proj.{leaf}" for x in "qkv" for leaf in ("weight", "bias")} | {
        "self_attn.o_proj.weight"
    }
    wanted = {f"model.layers.{layer}.{name}" for layer in (0, 1) for name in attention}
    wanted |= {f"model.layers.1.mlp.{name}_proj.weight" for name in ("gate", "up", "down")}
    assert set(changed) == wanted
    moved = {
        name for name, weight in tiny_model().named_parameters() if name in changed and (weight != changed[name]).any()
    }
    assert moved == {f"model.layers.{n}.self_attn.q_proj.weight" for n in (0, 1)} | {
        "model.layers.1.mlp.up_proj.weight"
    }


@pytest.mark.parametrize("targets", [["lm_head"], ["q_proj", "query"], ["embed_tokens"], ["proj"]])
def test_unknown_targets_list_the_valid_ones(targets: list[str]) -> None:
    with pytest.raises(
        ValueError, match=rf"{targets[-1]} names no linear layer .* valid are down_proj, gate_proj, k_proj"
    ):
        Adapters(tiny_model(), LoraConfig(rank=2, targets=targets), seed=0, base_name="base")


def test_seed_decides_the_adapters_and_global_random_state_stays() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (
        Adapters(tiny_model(), LoraConfig(rank=2), seed=seed, base_name="b").state().tensors for seed in (1, 1, 2)
    )
    torch.manual_seed(5)
    Adapters(tiny_model_without_seed(), LoraConfig(rank=2), seed=1, base_name="b")
    assert torch.equal(torch.rand(3), wanted)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def tiny_model_without_seed() -> PreTrainedModel:
    with torch.random.fork_rng():
        return tiny_model()


def test_off_is_the_base_exactly_even_after_an_error() -> None:
    plain, model = tiny_model(), tiny_model()
    adapters = adapted(model)
    policy = Policy(model, adapters)
    on = packed(policy, 1.0).detach()
    with pytest.raises(RuntimeError, match="inside"), adapters.off():
        assert torch.equal(packed(policy, 1.0), packed(Policy(plain), 1.0))
        raise RuntimeError("inside")
    assert torch.equal(packed(policy, 1.0), on)
    assert all(p.requires_grad == (".lora_" in name) for name, p in model.named_parameters())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bfloat16_base_keeps_float32_adapters(seed: int) -> None:
    """Merging rounds once more than the adapted computation: the probe's limit, a mean of 0.02, holds."""
    model = tiny_model(seed=seed).to(torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.1)  # log-probs as flat as a language model's, not the tests' steep ones
    adapters = adapted(model, moved=0.02)
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32} and model.dtype == torch.bfloat16
    merged = dict(adapters.merged_weights())
    assert {weight.dtype for weight in merged.values()} == {torch.bfloat16}
    plain = tiny_model().to(torch.bfloat16)
    plain.load_state_dict(merged, strict=False)
    with torch.no_grad():
        difference = (packed(Policy(model, adapters), 1.0) - packed(Policy(plain), 1.0)).abs()
    assert difference.mean() < 0.02


def test_state_goes_round_and_another_base_is_refused() -> None:
    model, twin = tiny_model(), tiny_model()
    adapters, other = adapted(model), Adapters(twin, LoraConfig(rank=4, alpha=8.0), seed=9, base_name="base")
    saved = adapters.state()
    assert sum(tensor.numel() for tensor in saved.tensors.values()) < 0.5 * sum(p.numel() for p in model.parameters())
    other.load_state(saved)
    assert torch.equal(packed(Policy(model, adapters), 1.0), packed(Policy(twin, other), 1.0))
    with pytest.raises(ValueError, match="another base model"):
        Adapters(tiny_model(seed=4), LoraConfig(rank=4), seed=1, base_name="base").load_state(saved)
    with pytest.raises(ValueError, match="differ in shape"):
        Adapters(tiny_model(), LoraConfig(rank=2), seed=1, base_name="base").load_state(saved)


@pytest.mark.parametrize("tied", [False, True])
def test_folders_load_with_transformers_and_with_peft(tied: bool, tmp_path: Path) -> None:
    shape = ScratchConfig(
        hidden_size=32, layers=1, attention_heads=2, key_value_heads=1, intermediate_size=64, tie_embeddings=tied
    )
    write_scratch_model(shape, [], 0, tmp_path / "base")
    fresh = load_model(tmp_path / "base", ModelConfig()).with_adapters(LoraConfig(rank=4), 1, str(tmp_path / "base"))
    assert fresh.adapters is not None
    with torch.no_grad():
        for name, parameter in fresh.model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_()
        expected = fresh.model.eval()(IDS).logits
    fresh.save(tmp_path / "stage")
    files = {path.name for path in (tmp_path / "stage" / "adapter").iterdir()}
    assert files == {"adapter_config.json", "adapter_model.safetensors", "manifest.json"}
    assert set(read_manifest(tmp_path / "stage" / "adapter")["files"]) == files - {"manifest.json"}
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    with torch.no_grad():
        assert (base(IDS).logits - expected).abs().max() > 0.1
        loaded = peft.PeftModel.from_pretrained(base, tmp_path / "stage" / "adapter").eval()
        assert torch.equal(loaded(IDS).logits, expected)
        merged = load_model(tmp_path / "stage" / "model", ModelConfig()).model.eval()
        assert (merged(IDS).logits - expected).abs().max() < 1e-4
    assert loaded.peft_config["default"].base_model_name_or_path == str(tmp_path / "base")
    names = set(load_file(tmp_path / "stage" / "model" / "model.safetensors"))
    assert names == set(load_file(tmp_path / "base" / "model.safetensors"))


@pytest.mark.parametrize("targets", [[], ["q_proj", "mlp.up_proj"], ["k_proj", "o_proj"]])
def test_the_estimate_counts_what_is_trained(targets: list[str], tmp_path: Path) -> None:
    shape = ScratchConfig(hidden_size=32, layers=2, attention_heads=4, key_value_heads=2, intermediate_size=48)
    config = ModelConfig(scratch=shape, lora=LoraConfig(rank=3, targets=targets))
    write_scratch_model(shape, [], 0, tmp_path)
    model = load_model(tmp_path, config).with_adapters(config.lora, 1, "base").model
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert adapter_parameters(config) == adapter_parameters(replace(config, name=str(tmp_path))) == trained


def test_every_way_of_keeping_activations_reaches_the_adapters(tmp_path: Path) -> None:
    shape = ScratchConfig(hidden_size=32, layers=2, attention_heads=2, key_value_heads=1, intermediate_size=64)
    write_scratch_model(shape, [], 0, tmp_path)
    gradients = []
    for mode in ("keep", "recompute", "offload"):
        loaded: LoadedModel = load_model(tmp_path, ModelConfig(activations=mode))
        loaded = loaded.with_adapters(LoraConfig(rank=4), 1, "base")
        packed(Policy(loaded.model.eval(), loaded.adapters), 1.0, LIMITS).sum().backward()
        gradients.append([p.grad for p in loaded.model.parameters() if p.requires_grad])
    assert all(any(gradient.abs().max() > 0 for gradient in found) for found in gradients)
    for found in gradients[1:]:
        assert all(torch.equal(one, other) for one, other in zip(found, gradients[0], strict=True))
