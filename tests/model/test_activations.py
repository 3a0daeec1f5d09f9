from __future__ import annotations

import copy

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef
from transformers import PreTrainedModel

from grpo.config.limits import CHOICES
from grpo.model.activations import MODES, set_activations
from tests.update.conftest import FAMILIES, tiny_model

IDS = torch.tensor([[3, 4, 5, 6, 7, 8], [9, 10, 11, 12, 13, 14]])


def output(model: PreTrainedModel, ids: torch.Tensor = IDS) -> torch.Tensor:
    states = model.base_model(input_ids=ids.to(model.device), use_cache=False).last_hidden_state
    return (states * torch.linspace(-1, 1, states.numel(), device=states.device).view_as(states)).sum()


def learnt(model: PreTrainedModel) -> list[torch.Tensor]:
    return [p for p in model.base_model.parameters() if p.requires_grad]


def gradients(model: PreTrainedModel) -> list[torch.Tensor]:
    return list(torch.autograd.grad(output(model), learnt(model)))


def assert_equal(found: list[torch.Tensor], wanted: list[torch.Tensor]) -> None:
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("mode", ["recompute", "offload"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_gradients_are_equal_bit_for_bit(family: str, mode: str, training: bool) -> None:
    model = tiny_model(family, num_hidden_layers=3, attention_dropout=0.5 if training else 0.0).train(training)
    torch.manual_seed(7)
    wanted = gradients(model)
    set_activations(model, mode)
    torch.manual_seed(7)
    assert_equal(gradients(model), wanted)


@pytest.mark.parametrize("mode", ["recompute", "offload"])
def test_frozen_layers_and_embeddings(mode: str) -> None:
    """As with adapters: the first layer's input needs no gradient, its query projection does; one layer is frozen."""
    model = tiny_model(num_hidden_layers=3)
    model.requires_grad_(False)
    for index in (0, 2):
        model.model.layers[index].self_attn.q_proj.weight.requires_grad_(True)
    wanted = gradients(model)
    assert len(wanted) == 2 and all(float(gradient.abs().max()) > 0 for gradient in wanted)
    set_activations(model, mode)
    assert_equal(gradients(model), wanted)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("mode", "calls"), [("keep", 3), ("recompute", 6), ("offload", 6)])
def test_every_layer_runs_again_in_the_backward_pass(mode: str, calls: int, training: bool) -> None:
    """In `eval()` too, where transformers' own switch does nothing: the policy learns in that mode."""
    model = tiny_model(num_hidden_layers=3).train(training)
    set_activations(model, mode)
    seen = []
    for layer in model.model.layers:
        layer.mlp.register_forward_pre_hook(lambda *_: seen.append(1))
    gradients(model)
    assert len(seen) == calls


@pytest.mark.parametrize("mode", MODES)
def test_what_outlives_the_forward_pass(mode: str) -> None:
    """Layers 1 and 2 of three: `keep` holds what they form inside, `recompute` their inputs, `offload` neither."""
    model = tiny_model(num_hidden_layers=3)
    set_activations(model, mode)
    inputs, inner = [], []
    for layer in list(model.model.layers)[1:]:
        layer.register_forward_pre_hook(lambda _, args: inputs.append(StorageWeakRef(args[0].untyped_storage())))
        layer.mlp.register_forward_pre_hook(lambda _, args: inner.append(StorageWeakRef(args[0].untyped_storage())))
    result = output(model)
    assert [ref.expired() for ref in inner] == [mode != "keep"] * 2
    assert [ref.expired() for ref in inputs] == [mode == "offload"] * 2
    result.backward()
    assert all(ref.expired() for ref in inner + inputs)


def test_two_passes_in_flight() -> None:
    model = tiny_model(num_hidden_layers=3)
    parameters = learnt(model)
    wanted = [torch.autograd.grad(output(model, ids), parameters) for ids in (IDS, IDS + 1)]
    set_activations(model, "offload")
    first, second = output(model, IDS), output(model, IDS + 1)
    with torch.no_grad():
        output(model)
    assert_equal(list(torch.autograd.grad(first, parameters)), list(wanted[0]))
    assert_equal(list(torch.autograd.grad(second, parameters)), list(wanted[1]))


@pytest.mark.parametrize("mode", ["recompute", "offload"])
def test_a_copied_model_is_its_own(mode: str) -> None:
    model = tiny_model()
    set_activations(model, mode)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.model.layers[0].mlp.down_proj.weight.zero_()
    assert not torch.equal(output(twin), output(model))
    assert_equal(gradients(model), gradients(tiny_model()))


def test_back_to_keep() -> None:
    model = tiny_model()
    for mode in ("offload", "recompute", "keep"):
        set_activations(model, mode)
    seen = []
    model.model.layers[0].mlp.register_forward_pre_hook(lambda *_: seen.append(1))
    gradients(model)
    assert len(seen) == 1


def test_unknown_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="activations='drop': valid are keep, recompute, offload"):
        set_activations(tiny_model(), "drop")
    with pytest.raises(ValueError, match="GPT2MLP has no layers"):
        from transformers.models.gpt2.modeling_gpt2 import GPT2MLP, GPT2Config

        set_activations(GPT2MLP(8, GPT2Config(n_embd=4)), "recompute")  # type: ignore[arg-type]


def test_the_config_knows_the_same_modes() -> None:
    assert CHOICES["model.activations"] == MODES


@pytest.mark.gpu
def test_device_memory() -> None:
    """24 layers of 4096 tokens, 256 wide, fp32: 4 MiB a layer input; memory falls mode by mode."""
    ids = torch.randint(0, 23, (8, 512))
    model = tiny_model(num_hidden_layers=24, hidden_size=256, max_position_embeddings=512).cuda()
    held, found = {}, {}
    for mode in MODES:
        set_activations(model, mode)
        torch.autograd.grad(output(model, ids), learnt(model))  # warm up allocators
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        result = output(model, ids)
        torch.cuda.synchronize()
        held[mode] = (torch.cuda.memory_allocated() - before) / 2**20
        found[mode] = list(torch.autograd.grad(result, learnt(model)))
    assert_equal(found["recompute"], found["keep"])
    assert_equal(found["offload"], found["keep"])
    assert held["keep"] > 3 * held["recompute"]
    assert 80 < held["recompute"] < 130
    assert held["offload"] < 20
