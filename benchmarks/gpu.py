"""`python -m benchmarks.gpu [--out FILE.json]`: everything that needs a GPU, in one run of under 9 minutes.

Each section has a process and a time of its own and writes what it has after every case, so that a crash, a hang or a
poisoned CUDA context of one costs the others nothing. `--dry-run` runs the same code with tiny shapes, on a CPU too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.head.measure import BASE as HEAD_BASE
from benchmarks.head.measure import Effort as HeadEffort
from benchmarks.head.measure import measure_case as measure_head
from benchmarks.head.problem import HeadShape
from benchmarks.head.rivals import RIVALS
from benchmarks.memory import ROOT
from benchmarks.optimizer import measure_optimizers, optimizer_lines
from benchmarks.record import RESULTS, facts, write
from benchmarks.update.measure import BASE as UPDATE_BASE
from benchmarks.update.measure import TRL_SETTINGS, Contest, measure_case
from benchmarks.update.measure import Effort as UpdateEffort
from benchmarks.update.ours import attention_choices
from benchmarks.update.processes import Setting
from benchmarks.update.workload import CASES, MODELS, Shared

DRY_SECONDS = 600.0
"""Of a section without a GPU, on a machine that may be busy."""
SAFETY_SECONDS = 10.0
"""Left of a section's time for its last write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a section's process is told."""

    dry: bool
    seed: int
    deadline: float
    """Of `time.monotonic`."""
    save: Callable[[dict[str, Any]], None]
    """Keeps what there is so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the run."""

    run: Callable[[Job], dict[str, Any]]
    seconds: float


def head_section(hidden: int, vocab: int) -> Callable[[Job], dict[str, Any]]:
    """Float32 first where it is cheap (H 896), then bfloat16 at 8,192 and 28,672 tokens."""

    def run(job: Job) -> dict[str, Any]:
        sizes = [(8192, "bfloat16"), (28672, "bfloat16")]
        shapes = [HeadShape(tokens=t, hidden=hidden, vocab=vocab, dtype=d) for t, d in sizes]
        if hidden == 896:
            shapes.insert(0, HeadShape(tokens=2048, hidden=hidden, vocab=vocab, dtype="float32"))
        if job.dry:
            shapes = [HeadShape(tokens=64, hidden=32, vocab=1000, dtype=shape.dtype) for shape in shapes[:2]]
        found: dict[str, Any] = {"head_cases": []}
        for number, shape in enumerate(shapes, 1):
            share = (job.deadline - time.monotonic()) * number / len(shapes)
            effort = HeadEffort(
                repeats=2 if job.dry else 20, slow_seconds=3.0, slow_repeats=3, deadline=time.monotonic() + share
            )
            found["head_cases"].append(measure_head(shape, job.seed, effort, [rival.name for rival in RIVALS]))
            job.save(found)
        return found

    return run


def update_section(model: str) -> Callable[[Job], dict[str, Any]]:
    """The group of 8 with a prompt of 512, with every attention backend, activations recomputed."""

    def run(job: Job) -> dict[str, Any]:
        name, case = ("tiny", "tiny") if job.dry else (model, "long")
        found: dict[str, Any] = {"model_name": name, "update_cases": {}}
        choices = [one for one in attention_choices() if one != "flex" or torch.cuda.is_available()]
        for attention in choices:
            left = job.deadline - time.monotonic()
            if found["update_cases"] and left < 40:
                break
            repeats = 2 if job.dry else 7
            ours: Setting = {"micro_batch": 20480, "attention": attention}
            effort = UpdateEffort(repeats=repeats, trial_repeats=repeats, step_seconds=max(30.0, left))
            contest = Contest(
                shape=MODELS[name],
                lengths=CASES[case],
                shared=Shared(dtype="bfloat16", activations="recompute"),
                seed=job.seed,
                settings={"ours": [ours, ours | {"optimizer": "compact_adamw"}], "trl": TRL_SETTINGS[-1:]},
            )
            found["update_cases"][attention] = measure_case(contest, effort)
            job.save(found)
        return found

    return run


def ptx_section(job: Job) -> dict[str, Any]:
    """Inline PTX on and off, as the kernels' own benchmark measures it."""
    if not torch.cuda.is_available():
        return {"figures": {}, "lines": ["needs a CUDA device"]}
    from benchmarks import kernels_gpu

    figures: dict[str, Any] = kernels_gpu.measure(kernels_gpu.Sizes(seed=job.seed))
    return {"figures": figures, "lines": list(kernels_gpu.table(figures))}


def optimizer_section(job: Job) -> dict[str, Any]:
    """One step of each optimizer over the weights of the 0.5B shape."""
    figures = measure_optimizers(MODELS["tiny" if job.dry else "0.5B"], repeats=3 if job.dry else 20)
    return {"figures": figures, "lines": list(optimizer_lines(figures))}


SECTIONS = {
    "head_896": Section(run=head_section(896, 151936), seconds=80),
    "head_1536": Section(run=head_section(1536, 151936), seconds=65),
    "head_3584": Section(run=head_section(3584, 152064), seconds=80),
    "ptx": Section(run=ptx_section, seconds=40),
    "update_0.5B": Section(run=update_section("0.5B"), seconds=100),
    "update_1.5B": Section(run=update_section("1.5B"), seconds=120),
    "optimizer": Section(run=optimizer_section, seconds=30),
}
"""In order of what matters most when time runs out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sections; 1 when one of them has no figures, else 0."""
    options = parse(arguments)
    if options.section:
        return inside(options)
    record = facts("gpu", options.seed, options.commit) | {
        "dry_run": options.dry_run,
        "memory_base": {"head": HEAD_BASE, "update": UPDATE_BASE},
        "sections": {},
    }
    end = time.monotonic() + options.seconds
    for name in options.only:
        left = min(SECTIONS[name].seconds, end - time.monotonic())
        seconds = DRY_SECONDS if options.dry_run else left
        record["sections"][name] = run_section(name, seconds, options)
        write(record, options.out)
        section = record["sections"][name]
        print(f"{name}: {section['status']} in {section['wall_seconds']:.0f} s {section.get('reason', '')}", flush=True)
    return int(any(section["status"] != "measured" for section in record["sections"].values()))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options; a wrong one ends the program with what would be right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS / "gpu.json", metavar="FILE.json")
    parser.add_argument("--seconds", type=float, default=520.0, help="of the whole run (default: 520)")
    parser.add_argument("--dry-run", action="store_true", help="tiny shapes: does it all run?")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(SECTIONS), metavar="A,B")
    parser.add_argument("--commit", help="of this copy, where it has no history")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.only) - set(SECTIONS))
    if unknown:
        parser.error(f"--only: {', '.join(unknown)} unknown; known are {', '.join(SECTIONS)}")
    if not options.section and not options.dry_run and not torch.cuda.is_available():
        parser.error("there is no GPU; --dry-run tries the code without one")
    return options


def run_section(name: str, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    """What a process of its own found within its seconds, or how far it came and why it ended."""
    if seconds < SAFETY_SECONDS * 2:
        return {"status": "skipped", "reason": "no time was left", "wall_seconds": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "section.json"
        command = [sys.executable, "-m", "benchmarks.gpu", "--section", name, "--out", str(out)]
        command += ["--seconds", str(seconds - SAFETY_SECONDS), "--seed", str(options.seed)]
        command += ["--dry-run"] if options.dry_run else []
        started = time.monotonic()
        reason = _run(command, seconds)
        wall = time.monotonic() - started
        found = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    if reason is None:
        return found | {"status": "measured", "wall_seconds": wall}
    return found | {"status": "partial" if found else "failed", "reason": reason, "wall_seconds": wall}


def _run(command: list[str], seconds: float) -> str | None:
    """Why a command did not end well, or None. What it started is ended with it."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=errors, stderr=errors, text=True, process_group=0)
        try:
            code = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end_group(process)
            return f"took longer than its {seconds:.0f} s"
        if code == 0:
            return None
        errors.seek(0)
        return f"ended with {code}: {errors.read().strip()[-600:]}"


def _end_group(process: subprocess.Popen[str]) -> None:
    import os
    import signal

    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def inside(options: argparse.Namespace) -> int:
    """A section's process."""
    job = Job(
        dry=options.dry_run,
        seed=options.seed,
        deadline=time.monotonic() + options.seconds,
        save=lambda found: write(found, options.out),
    )
    job.save(SECTIONS[options.section].run(job))
    return 0


if __name__ == "__main__":
    sys.exit(main())
