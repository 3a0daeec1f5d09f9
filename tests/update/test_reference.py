"""The reference without a second model, against one, and what is left of the policy afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedModel

from grpo.config.slices import AlgorithmConfig, LoraConfig
from grpo.kernels.token_logprob import HeadSettings
from grpo.model.lora import Adapters
from grpo.run.state import PartState
from grpo.update.experience import Tree
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy
from grpo.update.reference import AdapterOff, HostSwapped, ReferencePolicy, Resetting, reference_policy
from grpo.update.reinforce import PolicyUpdate
from tests.update.conftest import tiny_model
from tests.update.plain_grpo import logprobs_of
from tests.update.test_reinforce import DAMPED, SETTINGS, TEMPERATURE, SecondModel, sampled, trees_of, weights

SAMPLING = HeadSettings(temperature=TEMPERATURE)
KL = replace(SETTINGS, algorithm=AlgorithmConfig(kl_coef=0.5))


def moved(model: PreTrainedModel) -> None:
    """What training does to the trainable weights."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))


def trained(tied: bool = False, *, lora: bool) -> tuple[Policy, ReferencePolicy]:
    """A policy that has left its start, and its reference, taken at the start."""
    model = tiny_model(tied=tied)
    adapters = None
    if lora:
        pytest.importorskip("peft", reason="peft is not installed: pip install -e .[lora]")
        adapters = Adapters(model, LoraConfig(rank=4), seed=1, base_name="base")
    policy = Policy(model, adapters)
    reference = reference_policy(policy)
    assert isinstance(reference, AdapterOff if lora else HostSwapped)
    moved(model)
    return policy, reference


def start_logprobs(trees: Sequence[Tree], tied: bool = False) -> torch.Tensor:
    model = tiny_model(tied=tied)
    with torch.no_grad():
        rows = [
            logprobs_of(model, list(tree.prompt_ids), list(branch.token_ids), TEMPERATURE)
            for tree in trees
            for branch in tree.branches
        ]
    return torch.cat(rows)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("lora", [False, True])
def test_values_are_the_start_model_s_and_the_policy_stays(lora: bool, tied: bool) -> None:
    policy, reference = trained(tied, lora=lora)
    trees = trees_of(sampled(policy.model))
    before = {name: parameter.detach().clone() for name, parameter in policy.model.named_parameters()}
    places = [parameter.data_ptr() for parameter in policy.model.parameters()]
    for _ in range(2):
        found = reference.logprobs(trees, KL.limits, SAMPLING)
        assert not found.requires_grad
        assert (found - start_logprobs(trees, tied)).abs().max() < 1e-5
        for name, parameter in policy.model.named_parameters():
            assert torch.equal(parameter, before[name]), name
    assert [parameter.data_ptr() for parameter in policy.model.parameters()] == places


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("steps", [1, 2])
def test_kl_and_gradient_equal_those_of_a_second_model(steps: int, lora: bool) -> None:
    settings = replace(KL, optimizer_steps=steps)
    results = []
    for own in (True, False):
        policy, reference = trained(lora=lora)
        asked = reference if own else SecondModel(tiny_model())
        metrics = PolicyUpdate(policy, Optimizer(policy.model, DAMPED, 10), settings, asked)(
            trees_of(sampled(policy.model))
        )
        results.append((metrics, weights(policy.model)))
    (one, first), (two, second) = results
    assert one["kl"] > 0.01
    assert one["kl"] == pytest.approx(two["kl"], rel=1e-6)
    assert one["grad_norm"] == pytest.approx(two["grad_norm"], rel=1e-6)
    assert (first - second).abs().max() < 1e-6


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("when", ["first", "last"])
def test_an_error_inside_leaves_the_policy_s_weights(when: str, lora: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    policy, reference = trained(lora=lora)
    trees = trees_of(sampled(policy.model))
    before, count = weights(policy.model), []
    real = Policy.token_logprobs

    def failing(self: Policy, *arguments: object) -> object:
        count.append(1)
        if when == "first" or len(count) == 3:
            raise RuntimeError("no memory")
        return real(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Policy, "token_logprobs", failing)
        with pytest.raises(RuntimeError, match="no memory"):
            reference.logprobs(trees, PackingLimits(micro_batch=8), SAMPLING)
    assert torch.equal(weights(policy.model), before)
    assert (reference.logprobs(trees, KL.limits, SAMPLING) - start_logprobs(trees)).abs().max() < 1e-5


def test_an_error_half_way_through_the_swap_is_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    import grpo.update.reference as module

    policy, reference = trained(lora=False)
    trees = trees_of(sampled(policy.model))
    before, calls, real = weights(policy.model), [], module._swap

    def failing(parameter: torch.Tensor, host: torch.Tensor) -> None:
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError("interrupted")
        real(parameter, host)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_swap", failing)
        with pytest.raises(RuntimeError, match="interrupted"):
            reference.logprobs(trees, KL.limits, SAMPLING)
    assert len(calls) == 9 and torch.equal(weights(policy.model), before)


def test_bfloat16_weights_come_back_bit_for_bit() -> None:
    model = tiny_model().to(torch.bfloat16)
    policy = Policy(model)
    reference = HostSwapped(policy)
    moved(model)
    before = [parameter.detach().clone().view(torch.int16) for parameter in model.parameters()]
    reference.logprobs(trees_of(sampled(tiny_model())), KL.limits, SAMPLING)
    assert all(torch.equal(p.detach().view(torch.int16), b) for p, b in zip(model.parameters(), before, strict=True))


def test_the_reference_is_asked_once_a_step_for_what_is_trained() -> None:
    calls: list[int] = []

    class Counting(SecondModel):
        def logprobs(self, trees: Sequence[Tree], limits: PackingLimits, sampling: HeadSettings) -> torch.Tensor:
            calls.append(len(trees))
            assert torch.equal(weights(model), before)
            return super().logprobs(trees, limits, sampling)

    model = tiny_model()
    before = weights(model)
    update = PolicyUpdate(
        Policy(model), Optimizer(model, DAMPED, 10), replace(KL, optimizer_steps=2), Counting(tiny_model(seed=1))
    )
    update(trees_of(sampled(model)))
    assert calls == [3] and not torch.equal(weights(model), before)


def resetting(*, lora: bool, every: int = 2) -> tuple[Policy, Resetting]:
    """A policy that has left its start, and a reference that may follow it."""
    model, adapters = tiny_model(), None
    if lora:
        pytest.importorskip("peft", reason="peft is not installed: pip install -e .[lora]")
        adapters = Adapters(model, LoraConfig(rank=4), seed=1, base_name="base")
    policy = Policy(model, adapters)
    reference = reference_policy(policy, every)
    assert isinstance(reference, Resetting)
    moved(model)
    return policy, reference


@pytest.mark.parametrize("lora", [False, True])
def test_a_reset_takes_the_policy_of_that_moment(lora: bool) -> None:
    policy, reference = resetting(lora=lora)
    trees = trees_of(sampled(tiny_model()))
    assert (reference.logprobs(trees, KL.limits, SAMPLING) - start_logprobs(trees)).abs().max() < 1e-5
    reference.after_step(1)
    assert (reference.logprobs(trees, KL.limits, SAMPLING) - start_logprobs(trees)).abs().max() < 1e-5
    then = policy.tree_logprobs(trees, KL.limits, SAMPLING)
    assert (then - start_logprobs(trees)).abs().max() > 1e-2
    reference.after_step(2)
    moved(policy.model)
    reference.after_step(3)
    before = weights(policy.model)
    assert torch.equal(reference.logprobs(trees, KL.limits, SAMPLING), then)
    assert torch.equal(weights(policy.model), before)
    assert (policy.tree_logprobs(trees, KL.limits, SAMPLING) - then).abs().max() > 1e-2


@pytest.mark.parametrize("lora", [False, True])
def test_a_reset_reference_goes_through_a_checkpoint(lora: bool) -> None:
    policy, reference = resetting(lora=lora, every=1)
    reference.after_step(1)
    saved = reference.state()
    trained = [name for name, parameter in policy.model.named_parameters() if parameter.requires_grad]
    assert list(saved.tensors) == trained and all((".lora_" in name) == lora for name in trained)
    _, resumed = resetting(lora=lora, every=1)
    resumed.load_state(PartState(tensors={name: tensor.clone() for name, tensor in saved.tensors.items()}))
    trees = trees_of(sampled(tiny_model()))
    assert torch.equal(*(one.logprobs(trees, KL.limits, SAMPLING) for one in (reference, resumed)))


def test_a_reference_of_another_model_is_refused() -> None:
    _, reference = resetting(lora=False)
    tensors = dict(reference.state().tensors)
    kept = weights(reference._policy.model)
    for wrong in (
        {name: tensor for name, tensor in tensors.items() if "lm_head" not in name},
        tensors | {"lm_head.weight": tensors["lm_head.weight"].double()},
        tensors | {"lm_head.weight": tensors["lm_head.weight"][:-1]},
    ):
        with pytest.raises(ValueError, match=r"the saved reference differs from this model's in \['lm_head.weight'\]"):
            reference.load_state(PartState(tensors=wrong))
    assert torch.equal(weights(reference._policy.model), kept)


@pytest.mark.gpu
def test_on_a_gpu_the_start_weights_wait_in_pinned_memory() -> None:
    model = tiny_model().to("cuda")
    policy = Policy(model)
    reference = HostSwapped(policy)
    assert all(not host.is_cuda and host.is_pinned() for _, host in reference._pairs)
    moved_before = [p.detach().clone() for p in model.parameters()]
    trees = trees_of(sampled(tiny_model()))
    found = reference.logprobs(trees, KL.limits, SAMPLING).cpu()
    assert (found - start_logprobs(trees)).abs().max() < 1e-3
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), moved_before, strict=True))
