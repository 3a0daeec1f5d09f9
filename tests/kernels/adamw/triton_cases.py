"""The Triton step beside its torch twin. `test_triton.py` runs this file in a process of its own, because Triton
decides between interpreter and compiler when kernels are decorated."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from grpo.kernels.adamw import triton_update
from grpo.kernels.adamw.random_words import step_keys
from grpo.kernels.adamw.step_size import StepSize
from grpo.kernels.adamw.torch_update import CompactSlice, Scratch, update_slice

from .cases import moved, random_slice

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
FORMS = [False, True] if DEVICE == "cuda" else [False]
"""Inline assembly cannot be interpreted."""
SIZE = StepSize(lr=1e-3, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1, step=3, grad_scale=0.5)


def both(state: CompactSlice, start: int, size: StepSize, ptx: bool) -> tuple[CompactSlice, CompactSlice]:
    """(torch's, Triton's), on the CPU."""
    keys = step_keys(5, size.step, 2)
    ours, device = moved(state, "cpu"), moved(state, DEVICE)
    scratch = Scratch(state.weight.numel(), torch.device("cpu"))
    update_slice(ours, scratch.words(state.weight.numel(), start, keys), size, scratch)
    triton_update.update_slice(device, start, keys, size, ptx)
    return ours, moved(device, "cpu")


def master(state: CompactSlice) -> torch.Tensor:
    bits = state.weight.float().view(torch.int32)
    return (bits if state.residual is None else bits + (state.residual.int() << 8)).view(torch.float32)


@pytest.mark.parametrize("ptx", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("count", [1, 256, 700, 5 * 1024 + 256])
def test_the_same_step_from_the_same_words(count: int, dtype: torch.dtype, ptx: bool) -> None:
    """Products and sums may round differently (one uses a fused multiply-add): a code in a thousand may be the next."""
    ours, other = both(random_slice(count, dtype, count), 512, SIZE, ptx)
    for name in ("first_scale", "second_scale"):
        torch.testing.assert_close(getattr(other, name), getattr(ours, name), rtol=1e-6, atol=0)
    for name in ("first", "second"):
        difference = (getattr(other, name).int() - getattr(ours, name).int()).abs()
        assert int(difference.max()) <= 1 and int(difference.sum()) <= 1 + count // 500, name
    step = torch.finfo(torch.float32).eps * (256 if dtype == torch.bfloat16 else 4)
    assert ((master(other) - master(ours)).abs() <= step * master(ours).abs() + 2e-9).all()
    unequal = int((master(other) != master(ours)).sum())
    assert dtype == torch.float32 or unequal <= 1 + count // 500


@pytest.mark.parametrize("ptx", FORMS)
def test_equal_bit_for_bit_where_arithmetic_is_exact(ptx: bool) -> None:
    """Zero moments, betas and gradients that are powers of two: only the random bits decide, and they are the same."""
    state = random_slice(1024, torch.bfloat16, 9)
    signs = torch.where(state.grad > 0, 1.0, -1.0)
    powers = 2.0 ** torch.randint(-8, 0, (1024,), generator=torch.Generator().manual_seed(3))
    state = replace(state, grad=(signs * powers).bfloat16())
    for name in ("first_scale", "second_scale"):
        getattr(state, name).zero_()
    size = StepSize(lr=2.0**-10, beta1=0.5, beta2=0.75, eps=1e-30, weight_decay=0.0, step=1)
    ours, other = both(state, 0, size, ptx)
    for name in ("first", "first_scale", "second", "second_scale"):
        assert torch.equal(getattr(ours, name), getattr(other, name)), name
    assert torch.equal(ours.weight, other.weight) and torch.equal(ours.residual, other.residual)


@pytest.mark.parametrize("ptx", FORMS)
def test_blocks_of_zeros_stay_zeros(ptx: bool) -> None:
    state = random_slice(512, torch.bfloat16, 4)
    for tensor in (state.grad, state.first_scale, state.second_scale):
        tensor.zero_()
    before = moved(state, "cpu")
    _, other = both(state, 0, replace(SIZE, weight_decay=0.0), ptx)
    assert torch.equal(other.weight, before.weight) and torch.equal(other.residual, before.residual)
    assert not other.first_scale.any() and not other.second_scale.any()


@pytest.mark.skipif(DEVICE == "cpu", reason="inline assembly cannot be interpreted")
def test_the_ptx_form_is_bit_equal_to_its_twin() -> None:
    one, other = random_slice(70_000, torch.bfloat16, 1, "cuda"), random_slice(70_000, torch.bfloat16, 1, "cuda")
    for state, ptx in ((one, False), (other, True)):
        triton_update.update_slice(state, 0, step_keys(0, 1, 0), SIZE, ptx)
    for name in CompactSlice.__slots__:
        assert torch.equal(getattr(one, name), getattr(other, name)), name
