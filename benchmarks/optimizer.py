"""Time and memory of one optimizer step: torch's AdamW in the model's dtype, and ours.

`python -m benchmarks.optimizer [--quick] [--out FILE.json]` measures a model of 20.7M parameters on this machine, each
optimizer in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.memory import Peak, in_child
from benchmarks.record import facts
from benchmarks.timing import device_seconds_of, summary
from benchmarks.update.workload import MODELS, ModelShape
from grpo.kernels.adamw import CompactAdamW
from grpo.kernels.adamw.optimizer import CUDA_SLICE

SMALL = ModelShape(hidden=512, intermediate=1408, layers=7, heads=8, key_value_heads=2, vocab=2048)
CHILD_SECONDS = 120
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

    def compact(
        states: str = "device", *, triton: bool = True, ptx: bool = False
    ) -> Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]:
        def make(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
            made = CompactAdamW(parameters, lr=1e-6, states=states)
            made.use_triton, made.ptx = made.use_triton and triton, ptx
            if not triton:
                made.slice_elements = CUDA_SLICE  # its temporaries are as large as a slice
            return made

        return make

    found: dict[str, tuple[torch.dtype, MakeOptimizer]] = {
        "AdamW fused, float32": (torch.float32, adamw),
        "AdamW fused, bfloat16": (torch.bfloat16, adamw),
        "compact, float32": (torch.float32, compact()),
        "compact, bfloat16": (torch.bfloat16, compact()),
        "compact, bfloat16, states on host": (torch.bfloat16, compact("host")),
    }
    if torch.cuda.is_available():
        found["compact, bfloat16, PTX"] = (torch.bfloat16, compact(ptx=True))
        found["compact, bfloat16, torch operations"] = (torch.bfloat16, compact(triton=False))
    return found


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if one is named. With a request in JSON it is the child."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimizer", description=__doc__)
    parser.add_argument("request", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="a tiny model: a look, not a result")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write every figure")
    options = parser.parse_args(arguments)
    if options.request is not None:
        request = json.loads(options.request)
        dtype, make = optimizers()[request["name"]]
        print(json.dumps(_measure(MODELS["tiny"] if request["quick"] else SMALL, dtype, make, request["repeats"])))
        return 0
    record = facts("optimizer", 0)
    record["figures"] = {
        name: in_child("benchmarks.optimizer", {"name": name, "quick": options.quick, "repeats": 7}, CHILD_SECONDS)
        for name in optimizers()
    }
    print("\n".join(optimizer_lines(record["figures"])))
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
