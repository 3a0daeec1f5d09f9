"""Parameters, gradients and states that several tests of the optimizer use."""

from __future__ import annotations

import torch

from grpo.kernels.adamw import StreamedAdamW
from grpo.kernels.adamw.moments import blocks
from grpo.kernels.adamw.torch_update import CompactSlice

SHAPES = ((33, 40), (5,), (1000,), (256, 2))


def parameters(dtype: torch.dtype, seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.nn.Parameter((torch.randn(shape, generator=generator) * 0.05).to(dtype)) for shape in SHAPES]


def train(held: list[torch.nn.Parameter], optimizer: torch.optim.Optimizer, steps: range, **options: float) -> None:
    """Gradients depend on the step alone: a steady part and noise."""
    for step in steps:
        generator = torch.Generator().manual_seed(1000 + step)
        for parameter in held:
            gradient = torch.randn(parameter.shape, generator=generator) * 1e-2
            parameter.grad = (gradient + torch.linspace(-1e-2, 1e-2, parameter.numel()).view_as(parameter)).to(
                parameter.dtype
            )
        optimizer.step(**options)


def same(one: list[torch.nn.Parameter], other: list[torch.nn.Parameter]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def same_states(one: StreamedAdamW, other: StreamedAdamW) -> bool:
    pairs = list(zip(one.state.values(), other.state.values(), strict=True))
    return all(
        torch.equal(a[key], b[key]) if isinstance(a[key], torch.Tensor) else a[key] == b[key]
        for a, b in pairs
        for key in a
    )


def random_slice(count: int, dtype: torch.dtype, seed: int, device: str = "cpu") -> CompactSlice:
    """States as after some steps, of elements whose sizes spread over several decades."""
    generator = torch.Generator().manual_seed(seed)

    def normal(size: float) -> torch.Tensor:
        spread = torch.exp(torch.randn(count, generator=generator))
        return torch.randn(count, generator=generator) * spread * size

    def whole(low: int, high: int, kind: torch.dtype) -> torch.Tensor:
        return torch.randint(low, high, (count,), generator=generator).to(kind)

    slice_ = CompactSlice(
        weight=normal(0.02).to(dtype),
        residual=whole(-128, 128, torch.int8) if dtype == torch.bfloat16 else None,
        grad=normal(1e-3).to(dtype),
        first=whole(-127, 128, torch.int8),
        second=whole(1, 256, torch.uint8),
        first_scale=torch.rand(blocks(count), generator=generator) * 1e-3,
        second_scale=torch.rand(blocks(count), generator=generator) * 1e-6,
    )
    return moved(slice_, device)


def moved(state: CompactSlice, device: str) -> CompactSlice:
    """A copy on a device."""
    names = CompactSlice.__slots__
    tensors = {name: getattr(state, name) for name in names}
    return CompactSlice(**{name: None if t is None else t.to(device, copy=True) for name, t in tensors.items()})
