"""Kernels, update and benchmarks run where there is no Hydra, vLLM, datasets or TRL, as on a bare GPU machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ABSENT = ("hydra", "omegaconf", "vllm", "datasets", "trl", "py3langid", "pyarrow", "wandb")
MODULES = (
    "grpo.kernels.token_logprob", "grpo.update.reinforce", "grpo.update.supervised", "grpo.model.load",
    "grpo.model.scratch", "benchmarks.head.measure", "benchmarks.head.child", "benchmarks.update.measure",
    "benchmarks.update.worker", "benchmarks.update.ours", "benchmarks.update.reference", "benchmarks.gpu",
    "benchmarks.kernels_gpu",
)  # fmt: skip
SCRIPT = f"""
import importlib, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {ABSENT!r} else PathFinder.find_spec(name, path, target)

place = sys.meta_path.index(PathFinder)
sys.meta_path[place] = Without
for name in {ABSENT!r}:
    assert importlib.util.find_spec(name) is None, name
for name in {MODULES!r}:
    importlib.import_module(name)
from benchmarks.head.measure import Effort, measure_case
from benchmarks.head.problem import HeadShape
from benchmarks.update.measure import absent
case = measure_case(HeadShape(tokens=16, hidden=8, vocab=50, dtype="float32"), 0, Effort(repeats=1), ["naive", "trl"])
assert case["rows"]["naive"]["status"] == "passed", case
assert case["rows"]["trl"]["status"] == "absent", case
assert case["rows"]["trl"]["reason"] == "trl is not installed", case
assert absent("trl") == "trl and datasets not installed"
"""


def test_what_a_bare_machine_lacks_is_not_imported() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
