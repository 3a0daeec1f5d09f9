"""Peak memory of an optimizer step, in a process of its own: `python -m benchmarks.memory` is the child."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.update import PASSES
from benchmarks.workload import CASES, Sizes, made_up_trees, scratch_model
from grpo.config.slices import OptimizerConfig
from grpo.update.optimizer import Optimizer
from grpo.update.policy import Policy

ROOT = Path(__file__).resolve().parents[1]
CHILD_SECONDS = 600


def peak_bytes(name: str, case: str, sizes: Sizes) -> int:
    """What steps add to a process that has imported everything: weights, gradients, moments, activations.

    Raises CalledProcessError or TimeoutExpired when the child fails or hangs.
    """
    command = [sys.executable, "-m", "benchmarks.memory", name, case, json.dumps(asdict(sizes))]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=CHILD_SECONDS, check=True)
    return int(done.stdout.splitlines()[-1])


def resident_peak() -> int:
    """Bytes. `ru_maxrss` would start at the parent's peak: the kernel hands it on through fork and exec."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main(name: str, case: str, sizes: Sizes) -> None:
    """Print by how many bytes two optimizer steps raise the peak; the second one has the moments in memory."""
    base = resident_peak()
    with tempfile.TemporaryDirectory() as folder:
        policy = Policy(scratch_model(Path(folder) / "model", sizes.seed).model)
    optimizer = Optimizer(policy.model, OptimizerConfig(), steps=2)
    trees = made_up_trees(CASES[case], sizes, policy.model.config.vocab_size)
    for _ in range(2):
        PASSES[name](policy, trees, CASES[case])
        optimizer.step()
    print(resident_peak() - base)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Sizes(**json.loads(sys.argv[3])))
