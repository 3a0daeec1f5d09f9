"""What the config builds, the clipped step, and what is refused before anything is applied."""

from __future__ import annotations

import math

import pytest
import torch

from grpo.config.load import load_config
from grpo.config.slices import OptimizerConfig
from grpo.kernels.adamw import CompactAdamW, PlainAdamW
from grpo.update.optimizer import NonFiniteError, Optimizer, gradient_norm

KINDS = [("adamw", "device"), ("adamw", "host"), ("compact_adamw", "device"), ("compact_adamw", "host")]


def model(dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.Linear(30, 7)).to(dtype)


def config(name: str, states: str, **options: float) -> OptimizerConfig:
    return OptimizerConfig(name=name, states=states, **({"lr": 1e-2, "weight_decay": 0.1} | options))  # type: ignore[arg-type]


def fill(net: torch.nn.Module, size: float) -> None:
    generator = torch.Generator().manual_seed(3)
    for parameter in net.parameters():
        parameter.grad = (torch.randn(parameter.shape, generator=generator) * size).to(parameter.dtype)


def weights(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().float().view(-1) for p in net.parameters()])


@pytest.mark.parametrize(("name", "states"), KINDS)
def test_a_clipped_step_is_that_of_the_scaled_gradient(name: str, states: str) -> None:
    """Norm before clipping by hand; from zero moments float32 AdamW and the compact one step alike."""
    net, by_hand = model(), model()
    fill(net, 10.0), fill(by_hand, 10.0)
    norm = math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in net.parameters() if p.grad is not None))
    found, rate = Optimizer(net, config(name, states, max_grad_norm=0.5, eps=1e-3), steps=4).step()
    assert found == pytest.approx(norm, rel=1e-6) and rate == 1e-2 and norm > 100
    torch.nn.utils.clip_grad_norm_(by_hand.parameters(), 0.5)
    groups = [
        {"params": [p for p in by_hand.parameters() if p.ndim == 2], "weight_decay": 0.1},
        {"params": [p for p in by_hand.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95), eps=1e-3).step()
    torch.testing.assert_close(weights(net), weights(by_hand), rtol=1e-5, atol=1e-7)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(("name", "states"), KINDS)
def test_a_bad_gradient_changes_nothing(name: str, states: str) -> None:
    for bad in (math.nan, math.inf):
        net = model(torch.bfloat16)
        optimizer = Optimizer(net, config(name, states), steps=4)
        fill(net, 1.0)
        before = weights(net)
        next(iter(net.parameters())).grad[3, 4] = bad  # type: ignore[index]
        with pytest.raises(NonFiniteError, match="not applied"):
            optimizer.step()
        assert torch.equal(weights(net), before) and not optimizer.adamw.state and optimizer.done == 0


def test_skip_leaves_weights_and_lets_the_schedule_go_on() -> None:
    net = model()
    optimizer = Optimizer(net, config("compact_adamw", "device", lr=1.0), steps=4)
    fill(net, 1.0)
    before = weights(net)
    optimizer.skip()
    assert torch.equal(weights(net), before) and optimizer.state().values == {"done": 1}


def test_the_norm_of_16_bit_gradients_is_summed_in_float32() -> None:
    """2^16 ones and one 2^-4: bfloat16 keeps 8 bits of the sum, float32 keeps it."""
    gradients = [torch.ones(2**16, dtype=torch.bfloat16), torch.full((1,), 300.0), torch.zeros(0)]
    assert gradient_norm(gradients) == pytest.approx(math.sqrt(2**16 + 90_000), rel=1e-7)
    assert gradient_norm([]) == 0.0


@pytest.mark.parametrize(("name", "states"), KINDS)
def test_a_float32_gradient_of_a_bfloat16_weight(name: str, states: str) -> None:
    """Accepted by every kind, and the parameter goes on collecting float32."""
    net, same = model(torch.bfloat16), model(torch.bfloat16)
    head = next(iter(net.parameters()))
    fill(net, 1.0), fill(same, 1.0)
    assert head.grad is not None
    gradient, head.grad, head.grad_dtype = head.grad.float(), None, torch.float32
    head.grad = gradient
    for one in (net, same):
        Optimizer(one, config(name, states, max_grad_norm=1e9), steps=4).step()
    assert torch.equal(weights(net), weights(same))
    assert head.grad is None and head.grad_dtype == torch.float32


def test_names_build_what_they_say() -> None:
    kinds = [type(Optimizer(model(), config(*kind), steps=1).adamw) for kind in KINDS]
    assert kinds == [torch.optim.AdamW, PlainAdamW, CompactAdamW, CompactAdamW]


def test_the_group_composes() -> None:
    composed = load_config(["optimizer=compact_adamw", "optimizer.states=host"])
    assert (composed.optimizer.name, composed.optimizer.states) == ("compact_adamw", "host")
    assert composed.optimizer.lr == load_config([]).optimizer.lr and load_config([]).optimizer.name == "adamw"
    assert composed.stages["rl"].optimizer.name == "compact_adamw"  # type: ignore[attr-defined]
    one = load_config(["+optimizer@stages.rl.optimizer=compact_adamw"])
    assert (one.optimizer.name, one.stages["rl"].optimizer.name) == ("adamw", "compact_adamw")  # type: ignore[attr-defined]
