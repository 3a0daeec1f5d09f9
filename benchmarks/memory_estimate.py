"""Estimated against measured peak memory: `python -m benchmarks.memory_estimate [--quick] [--out FILE.json]`.

Every shape is a real `grpo` process with a run folder of its own; what is compared is what its peak lies above the
memory it had after its imports. Shapes marked held out were not looked at when the estimate was made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.memory_shapes import QUICK, REWARD, SHAPES, Shape

ROOT = Path(__file__).resolve().parents[1]
RUN_SECONDS = 600
COMMON = (
    "rollout=transformers",
    "logger=[file]",
    f"reward.functions=[{REWARD}:even_sum]",
    "reward.weights=[1.0]",
    "stages.rl.steps=2",
    "stages.rl.model_from=${when:pipeline.0,rl,base,cold_start}",
    "stages.cold_start.steps=2",
    "checkpoint.every=1",
    "data.arithmetic.problems=64",
    "data.arithmetic.held_out=16",
)


def measure(shape: Shape, place: Path) -> dict[str, Any]:
    """Run one shape below `place`; raises CalledProcessError with the run's output when it fails."""
    model = ()
    if shape.model:
        write_model(shape, place / "model")
        model = ("model=hf", f"model.name={place / 'model'}", "model.dtype=float32", "model.activations=keep")
    first = "stages.rl.model_from=base" if "pipeline=[rl,export]" in shape.overrides else "stages.rl.steps=2"
    common = [one for one in COMMON if "when" not in one]
    command = [sys.executable, "-m", "grpo", *model, *common, first, *shape.overrides, f"run_root={place / 'runs'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{shape.name} failed:\n{next((place / 'runs').glob('*/run.log')).read_text()}\n{done.stderr[-3000:]}")
    [summary] = (place / "runs").glob("*/summary.json")
    return json.loads(summary.read_text(encoding="utf-8"))


def write_model(shape: Shape, folder: Path) -> None:
    """A model folder with untrained weights, and a byte tokenizer whose vocabulary is filled up to the model's."""
    subprocess.run([sys.executable, "-m", "benchmarks.memory_model", json.dumps(shape.model), str(folder)],
                   cwd=ROOT, check=True, timeout=RUN_SECONDS)


if __name__ == "__main__":
    names = sys.argv[1:]
    for shape in SHAPES:
        if shape.name in names:
            with tempfile.TemporaryDirectory() as place:
                found = measure(shape, Path(place))
            base = found.get("memory", {}).get("base_bytes", 0)
            print(shape.name, "base", base / 2**20)
            for stage, entry in found["stages"].items():
                print("  ", stage, f"{entry['wall_seconds']:.1f} s", {k: round((v - base) / 2**20) for k, v in entry["peak_memory_by_phase"].items()})
