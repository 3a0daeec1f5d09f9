"""CompactAdamW and PlainAdamW against AdamW written out, torch's, and themselves."""

from __future__ import annotations

import pytest
import torch

from grpo.kernels.adamw import CompactAdamW, PlainAdamW, StreamedAdamW
from grpo.kernels.adamw.random_words import CENTRE
from grpo.kernels.adamw.reference import adamw_reference
from grpo.kernels.adamw.step_size import StepSize
from grpo.kernels.adamw.torch_update import CompactSlice, Scratch, update_slice

from .cases import parameters, random_slice, same, same_states, train

OPTIONS = {"lr": 1e-3, "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}
SIZE = StepSize(lr=1e-3, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1, step=3, grad_scale=0.5)


def test_the_oracle_is_torchs_adamw() -> None:
    held = parameters(torch.float32)
    train(held, torch.optim.AdamW(held, **OPTIONS), range(20))
    ours = [p.detach().double() for p in parameters(torch.float32)]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in ours]
    shadow = parameters(torch.float32)
    for step in range(20):
        train(shadow, torch.optim.SGD(shadow, lr=0.0), range(step, step + 1))
        size = StepSize(lr=1e-3, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1, step=step + 1)
        for place, parameter in enumerate(shadow):
            assert parameter.grad is not None
            ours[place], *new = adamw_reference(ours[place], parameter.grad, *moments[place], size)
            moments[place] = (new[0], new[1])
    for one, other in zip(held, ours, strict=True):
        torch.testing.assert_close(one.detach().double(), other, rtol=0, atol=5e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_first_step_is_the_oracles_to_the_last_bit_kept(dtype: torch.dtype) -> None:
    """From zero moments nothing has been rounded yet but the weight: float32 to 1 part in 10^6, a master to 2^-16."""
    held, oracle = parameters(dtype), [p.detach().double() for p in parameters(dtype)]
    optimizer = CompactAdamW(held, **OPTIONS)
    train(held, optimizer, range(1))
    for parameter, start in zip(held, oracle, strict=True):
        assert parameter.grad is not None
        zero = torch.zeros_like(start)
        size = StepSize(lr=1e-3, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1, step=1)
        expected, _, _ = adamw_reference(start, parameter.grad, zero, zero, size)
        residual = optimizer.state[parameter].get("residual")
        bits = parameter.detach().float().view(torch.int32).view(-1)
        master = parameter.detach() if residual is None else (bits + (residual.int() << 8)).view(torch.float32)
        tolerance = 1e-6 if residual is None else 2.0**-15
        torch.testing.assert_close(master.double().view(-1), expected.view(-1), rtol=tolerance, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_300_steps_stay_with_float32_adamw(dtype: torch.dtype) -> None:
    """Where they end differs by a small part of the way, without bias; plain bfloat16 is far off at the same step."""
    exact, held, lossy = parameters(torch.float32), parameters(dtype), parameters(torch.bfloat16)
    options = OPTIONS | {"lr": 2e-5}
    train(exact, torch.optim.AdamW(exact, **options), range(300))
    train(held, CompactAdamW(held, **options), range(300))
    train(lossy, torch.optim.AdamW(lossy, **options), range(300))
    start = torch.cat([p.detach().view(-1) for p in parameters(dtype)]).float()
    way = torch.cat([p.detach().view(-1) for p in exact]) - torch.cat(
        [p.detach().view(-1) for p in parameters(torch.float32)]
    )
    ours = torch.cat([p.detach().float().view(-1) for p in held]) - start
    plain = torch.cat([p.detach().float().view(-1) for p in lossy]) - start

    def slope(moved: torch.Tensor) -> float:
        """Of what an optimizer moved on what was to be moved: 1 is right."""
        return float((moved * way).sum() / (way * way).sum())

    assert abs(slope(ours) - 1) < 0.01
    assert abs(slope(plain) - 1) > 0.1


def test_small_steps_of_a_bfloat16_weight_add_up() -> None:
    """1,000 equal steps of 1e-7 move 0.02 by 1e-4; rounding to nearest and plain bfloat16 do not move it at all."""
    count = 4096
    weight = torch.nn.Parameter(torch.full((count,), 0.02, dtype=torch.bfloat16))
    start = float(weight.detach()[0])
    optimizer = CompactAdamW([weight], lr=1e-7, betas=(0.9, 0.999))
    for _ in range(1000):
        weight.grad = torch.full_like(weight, 1e-3)
        optimizer.step()
    residual = optimizer.state[weight]["residual"]
    master = (weight.detach().float().view(torch.int32) + (residual.int() << 8)).view(torch.float32)
    moved = start - master.double()
    assert abs(float(moved.mean()) - 1e-4) < 1e-6
    assert float(moved.std()) < 1.5e-5

    plain = torch.nn.Parameter(torch.full((1,), 0.02, dtype=torch.bfloat16))
    torch_adamw = torch.optim.AdamW([plain], lr=1e-7, weight_decay=0.0)
    state = _one_block(0.02)
    for step in range(1, 1001):
        plain.grad = torch.full_like(plain, 1e-3)
        torch_adamw.step()
        size = StepSize(lr=1e-7, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0, step=step)
        update_slice(state, torch.full((256,), CENTRE, dtype=torch.int32), size, Scratch(256, torch.device("cpu")))
    assert float(plain.detach()[0]) == start
    assert bool((state.weight.float() == start).all()) and state.residual is not None
    assert not state.residual.any()


def _one_block(value: float) -> CompactSlice:
    return CompactSlice(
        weight=torch.full((256,), value, dtype=torch.bfloat16),
        residual=torch.zeros(256, dtype=torch.int8),
        grad=torch.full((256,), 1e-3),
        first=torch.zeros(256, dtype=torch.int8),
        second=torch.zeros(256, dtype=torch.uint8),
        first_scale=torch.zeros(1),
        second_scale=torch.zeros(1),
    )


@pytest.mark.parametrize("kind", [CompactAdamW, PlainAdamW])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_host_states_and_other_slices_change_nothing(kind: type[StreamedAdamW], dtype: torch.dtype) -> None:
    """Slices of 256, 512 or all at once; copies through the stream of the store or none."""
    runs = []
    for states, elements in (("device", 2**18), ("device", 256), ("host", 512)):
        held = parameters(dtype)
        optimizer = kind(held, **OPTIONS, states=states)
        optimizer.slice_elements = elements
        train(held, optimizer, range(8), grad_scale=0.7)
        runs.append((held, optimizer))
    for held, optimizer in runs[1:]:
        assert same(held, runs[0][0]) and same_states(optimizer, runs[0][1])
    assert not same(runs[0][0], parameters(dtype))


def test_plain_adamw_is_torchs() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        held, theirs = parameters(dtype), parameters(dtype)
        train(held, PlainAdamW(held, **OPTIONS), range(10))
        train(theirs, torch.optim.AdamW(theirs, **OPTIONS, fused=True), range(10))
        assert same(held, theirs)


def test_the_clip_factor_folds_into_the_step() -> None:
    """A power of two scales gradients exactly."""
    one, other = parameters(torch.bfloat16), parameters(torch.bfloat16)
    train(one, CompactAdamW(one, **OPTIONS), range(1), grad_scale=0.25)
    before = [p.grad.clone() for p in one if p.grad is not None]
    for parameter, gradient in zip(other, before, strict=True):
        parameter.grad = gradient * 0.25
    CompactAdamW(other, **OPTIONS).step()
    assert same(one, other)


def test_float32_gradients_of_bfloat16_weights_are_not_rounded() -> None:
    weight = torch.nn.Parameter(torch.zeros(256, dtype=torch.bfloat16))
    weight.grad_dtype = torch.float32
    weight.grad = torch.full((256,), 1.001)
    optimizer = CompactAdamW([weight])
    optimizer.step()
    assert torch.allclose(optimizer.state[weight]["exp_avg_scale"], torch.tensor([0.1001]), rtol=1e-6)


def test_rounding_depends_on_the_seed_alone() -> None:
    runs = []
    for seed in (1, 1, 2):
        held = parameters(torch.bfloat16)
        train(held, CompactAdamW(held, **OPTIONS, seed=seed), range(5))
        runs.append(held)
    assert same(runs[0], runs[1]) and not same(runs[0], runs[2])


def test_a_slice_without_words_of_its_own_rounds_alike() -> None:
    """Given words, the pure step gives one result, also in the ragged end of a parameter."""
    for count in (700, 256, 1):
        one, other = random_slice(count, torch.bfloat16, 1), random_slice(count, torch.bfloat16, 1)
        for state, elements in ((one, 4096), (other, count)):
            words = torch.arange(-(-count // 256) * 256, dtype=torch.int32) * 7919
            update_slice(state, words, SIZE, Scratch(elements, torch.device("cpu")))
        assert torch.equal(one.weight, other.weight) and torch.equal(one.second, other.second)


def test_bytes_of_a_parameter() -> None:
    weight = torch.nn.Parameter(torch.zeros(2**16, dtype=torch.bfloat16))
    weight.grad = torch.ones_like(weight)
    optimizer = CompactAdamW([weight])
    optimizer.step()
    states = [value for value in optimizer.state[weight].values() if isinstance(value, torch.Tensor)]
    assert sum(t.numel() * t.element_size() for t in states) == 2**16 * 3 + 2 * 4 * 2**8


def test_parameters_without_gradient_stay() -> None:
    held = parameters(torch.bfloat16)
    optimizer = CompactAdamW(held, **OPTIONS)
    train(held[:2], optimizer, range(2))
    assert same(held[2:], parameters(torch.bfloat16)[2:]) and set(optimizer.state) == set(held[:2])


def test_what_cannot_work_is_refused() -> None:
    held = parameters(torch.float32)
    with pytest.raises(ValueError, match="'device' and 'host'"):
        CompactAdamW(held, states="disk")
    with pytest.raises(ValueError, match="betas"):
        CompactAdamW(held, betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="float16"):
        CompactAdamW([torch.nn.Parameter(torch.zeros(3, dtype=torch.float16))])
    with pytest.raises(ValueError, match="contiguous"):
        CompactAdamW([torch.nn.Parameter(torch.zeros(3, 4).T)])
    optimizer = CompactAdamW(held)
    with pytest.raises(ValueError, match="CompactAdamW needs"):
        optimizer.adopt(held[0], {"step": 1, "exp_avg": torch.zeros(3)})
    state = optimizer._new_state(held[0])
    with pytest.raises(ValueError, match="exp_avg was saved as"):
        optimizer.adopt(held[0], state | {"exp_avg": torch.zeros(held[0].numel())})
    with pytest.raises(NotImplementedError, match="adopt"):
        optimizer.load_state_dict(optimizer.state_dict())
