"""Estimated against measured peak memory: `python -m benchmarks.memory_estimate [--quick] [--out FILE.json]`.

Every shape is a real `grpo` process with a run folder of its own; what is compared is what its peak lies above the
memory it had after its imports. Shapes marked held out were not looked at when the estimate was made.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.memory_shapes import QUICK, REWARD, SHAPES, Shape
from benchmarks.record import facts
from grpo.config.estimate import Estimate, memory_of
from grpo.config.load import load_config

ROOT = Path(__file__).resolve().parents[1]
RUN_SECONDS = 900
BOUND = 0.10
COMMON = (
    "rollout=transformers",
    "logger=[file]",
    f"reward.functions=[{REWARD}:even_sum]",
    "reward.weights=[1.0]",
    "stages.rl.steps=2",
    "stages.cold_start.steps=2",
    "checkpoint.every=1",
    "data.arithmetic.problems=64",
    "data.arithmetic.held_out=16",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 when a held-out shape misses the bound."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_estimate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two small shapes: a look, not a result")
    parser.add_argument("--only", nargs="*", metavar="SHAPE", help="these shapes")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write every figure")
    options = parser.parse_args(arguments)
    names = options.only or (QUICK if options.quick else [shape.name for shape in SHAPES])
    rows = []
    for shape in SHAPES:
        if shape.name in names:
            with tempfile.TemporaryDirectory() as place:
                rows.append(compare(shape, measure(shape, Path(place)), Path(place)))
            print(line(rows[-1]), flush=True)
    if options.out:
        record = facts("memory_estimate", 0) | {"bound": BOUND, "shapes": rows}
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return int(any(row["held_out"] and abs(row["ratio"] - 1) > BOUND for row in rows))


def overrides(shape: Shape, folder: Path) -> list[str]:
    """Of the run, its model folder in `folder/model` where it has one."""
    model = ["model=hf", f"model.name={folder / 'model'}", "model.dtype=float32", "model.activations=keep"]
    first = ["stages.rl.model_from=base"] if "cold_start" not in "".join(shape.overrides) else []
    base = [] if any("experiment=" in one for one in shape.overrides) else first
    return [*(model if shape.model else []), *COMMON, *base, *shape.overrides]


def measure(shape: Shape, place: Path) -> dict[str, Any]:
    """Run one shape below `place` → its `summary.json`; raises RuntimeError with the run's log when it fails."""
    if shape.model:
        command = [sys.executable, "-m", "benchmarks.memory_model", json.dumps(shape.model), str(place / "model")]
        subprocess.run(command, cwd=ROOT, check=True, timeout=RUN_SECONDS, capture_output=True)
    command = [sys.executable, "-m", "grpo", *overrides(shape, place), f"run_root={place / 'runs'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode:
        log = "".join(file.read_text(encoding="utf-8") for file in (place / "runs").glob("*/run.log"))
        raise RuntimeError(f"{shape.name} failed:\n{log}\n{done.stderr[-3000:]}")
    [summary] = (place / "runs").glob("*/summary.json")
    found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    return found


def estimated(shape: Shape, place: Path) -> Estimate:
    """What the dry run says of a shape."""
    found = memory_of(load_config(overrides(shape, place)))
    assert found is not None
    return found


def compare(shape: Shape, summary: dict[str, Any], place: Path) -> dict[str, Any]:
    """Bytes above the base, and where the peak was in both."""
    guess, base = estimated(shape, place), summary["memory"]["base_bytes"]
    phases = {
        f"{stage} {phase}": peak - base
        for stage, entry in summary["stages"].items()
        for phase, peak in entry["peak_memory_by_phase"].items()
    }
    most = max(phases, key=lambda name: phases[name])
    return {
        "name": shape.name,
        "held_out": shape.held_out,
        "model": shape.model,
        "overrides": list(shape.overrides),
        "estimated_bytes": guess.peak_bytes,
        "measured_bytes": phases[most],
        "ratio": guess.peak_bytes / phases[most],
        "base_bytes": base,
        "estimated_peak": guess.peak.label,
        "measured_peak": most,
        "estimated_parts": guess.peak.device,
        "measured_phases": phases,
    }


def line(row: dict[str, Any]) -> str:
    """One row of the printed table."""
    sizes = f"{row['estimated_bytes'] / 2**20:>8,.0f} MiB estimated {row['measured_bytes'] / 2**20:>8,.0f} measured"
    kind = "held out" if row["held_out"] else "calibration"
    return f"{row['name']:<32}{kind:<12}{sizes} {row['ratio']:>6.2f}  {row['estimated_peak']} | {row['measured_peak']}"


if __name__ == "__main__":
    sys.exit(main())
