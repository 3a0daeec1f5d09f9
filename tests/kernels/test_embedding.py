from __future__ import annotations

import pytest
import torch

from grpo.kernels.embedding import embed


@pytest.mark.parametrize("before", [False, True])
def test_gradient_equals_torchs(before: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(11, 3, generator=generator))
    twin = torch.nn.Parameter(weight.detach().clone())
    token_ids = torch.tensor([[4, 4, 0], [10, 4, 1]])
    upstream = torch.randn(2, 3, 3, generator=generator)
    if before:
        weight.grad, twin.grad = torch.ones(11, 3), torch.ones(11, 3)
    found = embed(token_ids, weight)
    (found * upstream).sum().backward()  # type: ignore[no-untyped-call]
    (torch.nn.functional.embedding(token_ids, twin) * upstream).sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(found, weight[token_ids]) and weight.grad is not None and twin.grad is not None
    assert (weight.grad - twin.grad).abs().max() < 1e-6


def test_a_float32_gradient_of_a_bfloat16_weight_is_kept() -> None:
    """As a tied head leaves it: 1 + 2^-10 needs more than bfloat16 has."""
    weight = torch.nn.Parameter(torch.zeros(2, 1, dtype=torch.bfloat16))
    weight.grad_dtype = torch.float32
    weight.grad = torch.full((2, 1), 2.0**-10)
    embed(torch.tensor([1, 1]), weight).sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad.flatten().tolist() == [2.0**-10, 2.0 + 2.0**-10]


def test_frozen_weight_and_no_grad() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 1), requires_grad=False)
    assert not embed(torch.tensor([1]), weight).requires_grad
    weight.requires_grad_()
    with torch.no_grad():
        assert not embed(torch.tensor([1]), weight).requires_grad
    assert weight.grad is None
