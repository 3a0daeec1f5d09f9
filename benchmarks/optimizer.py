"""Time and memory of one optimizer step: torch's AdamW in the model's dtype, and what else there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from benchmarks.memory import Peak
from benchmarks.timing import device_seconds_of, summary
from benchmarks.update.workload import ModelShape
from grpo.kernels.adamw import CompactAdamW

MakeOptimizer = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]


def measure_optimizers(shape: ModelShape, repeats: int) -> dict[str, Any]:
    """Per optimizer: seconds of a step, bytes of its states after one, and the peak a step adds to them."""
    found: dict[str, Any] = {}
    for name, (dtype, make) in optimizers().items():
        found[name] = _measure(shape, dtype, make, repeats)
    return found


def optimizer_lines(figures: dict[str, Any]) -> Iterator[str]:
    """A line for each."""
    yield f"{'':<36}{'ms':>10}{'states MiB':>12}{'step MiB':>10}{'states B/parameter':>20}"
    for name, row in figures.items():
        sizes = f"{row['state_bytes'] / 2**20:>12,.0f}{row['extra_bytes'] / 2**20:>10,.0f}"
        each = row["state_bytes"] / row["parameters"]
        yield f"{name:<36}{1000 * row['seconds']['median']:>10.3g}{sizes}{each:>20.2f}"


def optimizers() -> dict[str, tuple[torch.dtype, MakeOptimizer]]:
    """Name → dtype of the weights, and how it is made."""

    def adamw(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, lr=1e-6, weight_decay=0.0, fused=True)

    def compact(parameters: list[torch.nn.Parameter], states: str) -> torch.optim.Optimizer:
        return CompactAdamW(parameters, lr=1e-6, states=states)

    return {
        "AdamW fused, float32": (torch.float32, adamw),
        "AdamW fused, bfloat16": (torch.bfloat16, adamw),
        "compact, bfloat16": (torch.bfloat16, partial(compact, states="device")),
        "compact, bfloat16, states on host": (torch.bfloat16, partial(compact, states="host")),
    }


def _measure(shape: ModelShape, dtype: torch.dtype, make: MakeOptimizer, repeats: int) -> dict[str, Any]:
    parameters = weights(shape, dtype)
    for one in parameters:
        one.grad = torch.randn_like(one)
    peak = Peak()
    base = peak.start()
    optimizer = make(parameters)
    optimizer.step()
    peak.stop()
    states = peak.start() - base
    seconds = [device_seconds_of(optimizer.step) for _ in range(repeats)]
    return {
        "parameters": sum(one.numel() for one in parameters),
        "seconds": summary(seconds),
        "state_bytes": states,
        "extra_bytes": peak.stop(),
    }


def weights(shape: ModelShape, dtype: torch.dtype) -> list[torch.nn.Parameter]:
    """Of a model's matrices, as the update sees them."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    head = shape.hidden // shape.heads
    small = (shape.key_value_heads * head, shape.hidden)
    square, wide = (shape.hidden, shape.hidden), (shape.intermediate, shape.hidden)
    sizes = [(shape.vocab, shape.hidden)] + [square, square, small, small, wide, wide, wide] * shape.layers
    return [torch.nn.Parameter(torch.randn(*size, device=device).mul_(0.02).to(dtype)) for size in sizes]
