"""Launches the Triton form of `torch_update.update_slice`. Triton is imported at the first launch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from .moments import FIRST_LEVELS, blocks
from .step_size import StepSize
from .torch_update import CompactSlice

ROWS, WARPS = 4, 4
"""Blocks of a program, and its warps: 8 elements a thread."""
PTX = False
"""Packing by `prmt.b32` written out. Off: correct by its plain twin, not yet measured on a device."""


def available() -> bool:
    """Whether Triton is installed."""
    return find_spec("triton") is not None


def update_slice(state: CompactSlice, start: int, keys: tuple[int, int], size: StepSize, ptx: bool = PTX) -> None:
    """One step of `state`, which begins at element `start` of its parameter; keys as of `random_words.step_keys`."""
    from .triton_kernel import compact_adamw_kernel

    count = state.weight.numel()
    options = constants(state, ptx)
    grid = (-(-blocks(count) // ROWS),)
    with torch.cuda.device_of(state.weight):  # type: ignore[no-untyped-call]  # Triton launches on the current one
        compact_adamw_kernel[grid](*_pointers(state), count, start, *keys, *scalars(size), **options, num_warps=WARPS)


def scalars(size: StepSize) -> tuple[float, ...]:
    """The kernel's numbers from `first_factor` to `rate`."""
    return (
        size.beta1 / FIRST_LEVELS**2,
        (1.0 - size.beta1) * size.grad_scale,
        size.beta2,
        (1.0 - size.beta2) * size.grad_scale**2,
        size.root_scale,
        size.eps,
        size.keep,
        size.rate,
    )


def constants(state: CompactSlice, ptx: bool) -> dict[str, Any]:
    """The kernel's compile-time switches."""
    return {
        "RESIDUAL": state.residual is not None,
        "GRAD_PATTERN": state.grad.dtype == torch.bfloat16,
        "PTX": ptx,
        "ROWS": ROWS,
    }


def _pointers(state: CompactSlice) -> list[torch.Tensor]:
    residual = state.first if state.residual is None else state.residual  # never read under a float32 weight
    return [
        _pattern(state.weight),
        residual,
        _pattern(state.grad),
        state.first,
        state.second,
        state.first_scale,
        state.second_scale,
    ]


def _pattern(values: torch.Tensor) -> torch.Tensor:
    return values.view(torch.int16) if values.dtype == torch.bfloat16 else values
