"""`python -m benchmarks.optimizer_speed [--out FILE.json]`: time and memory of an optimizer step, ours beside torch's.

About 20M parameters in the shapes of a small Qwen2. Every optimizer runs in a process of its own, so that its peak
memory is its own; steps of all are timed in turn, three rounds, and the median counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.__main__ import facts
from benchmarks.memory import CHILD_SECONDS, ROOT, resident_peak
from benchmarks.workload import Sizes, seconds_of
from grpo.config.slices import OptimizerConfig
from grpo.update.optimizer import build_adamw

KINDS = {
    "adamw float32": ("adamw", "device", torch.float32),
    "adamw bfloat16": ("adamw", "device", torch.bfloat16),
    "compact float32": ("compact_adamw", "device", torch.float32),
    "compact bfloat16": ("compact_adamw", "device", torch.bfloat16),
    "compact bfloat16, host": ("compact_adamw", "host", torch.bfloat16),
}
ROUNDS, STEPS = 3, 5
SHAPES = [
    (2048, 512),
    *[(512, 512), (128, 512), (128, 512), (512, 512), (1408, 512), (1408, 512), (512, 1408), (512,)] * 7,
]


def measure(kind: str) -> dict[str, Any]:
    """Nanoseconds of a parameter's step, bytes of the states, and what the steps' peak had beyond them."""
    name, states, dtype = KINDS[kind]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensors = [torch.empty(2, *shape, dtype=dtype, device=device).normal_(0, 0.02) for shape in SHAPES]
    held = [torch.nn.Parameter(weight) for weight, _ in tensors]  # nothing else was allocated that a step could reuse
    for parameter, (_, gradient) in zip(held, tensors, strict=True):
        parameter.grad = gradient
    base = start_of_peak()
    optimizer = build_adamw([{"params": held}], OptimizerConfig(name=name, states=states), seed=0)
    optimizer.step()
    count = sum(parameter.numel() for parameter in held)
    states_held = [t for state in optimizer.state.values() for t in state.values() if isinstance(t, torch.Tensor)]
    kept = sum(tensor.numel() * tensor.element_size() for tensor in states_held)
    seconds = [seconds_of(optimizer.step) for _ in range(STEPS)]
    return {
        "parameters": count,
        "nanoseconds_per_parameter": statistics.median(seconds) / count * 1e9,
        "state_bytes_per_parameter": kept / count,
        "temporary_bytes": resident_peak() - base - kept,
    }


def start_of_peak() -> int:
    """Bytes in use now; from here on `resident_peak` tells the peak."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # sets VmHWM to VmRSS
    return resident_peak()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimizer_speed", description=__doc__)
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write every figure")
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(measure(options.child)))
        return 0
    rounds: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind in KINDS:
            command = [sys.executable, "-m", "benchmarks.optimizer_speed", "--child", kind]
            done = subprocess.run(
                command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=CHILD_SECONDS, check=True
            )
            rounds[kind].append(json.loads(done.stdout.splitlines()[-1]))
    machine = facts(Sizes())
    record = {key: machine[key] for key in ("device", "versions", "commit")} | {
        "optimizers": {
            kind: {key: statistics.median(one[key] for one in found) for key in found[0]}
            for kind, found in rounds.items()
        }
    }
    for kind, row in record["optimizers"].items():
        print(
            f"{kind:<24}{row['nanoseconds_per_parameter']:>8.2f} ns/parameter"
            f"{row['state_bytes_per_parameter']:>8.3f} bytes of states/parameter"
            f"{row['temporary_bytes'] / 2**20:>8.1f} MiB temporary"
        )
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
