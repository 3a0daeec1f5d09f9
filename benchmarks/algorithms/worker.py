"""`python -m benchmarks.algorithms.worker JSON`: one core's share of the cells, in one long-lived process.

Workers share nothing but the folder: a cell belongs to the one that made its claim file first.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.algorithms.plan import Cell, Plan, cell_file, from_json, result_of
from benchmarks.learning.finished import keep, keep_failure
from benchmarks.learning.task import RL, cold_accuracy, cold_folder, cold_start, our_run, summary_of
from benchmarks.learning.watch import budgeted, rounded, trained_by

WAIT_SECONDS = 1.0
FAILURES = (Exception,)
"""A cell that fails is written down and the next one is begun."""


def main(arguments: list[str]) -> int:
    """Work until nothing is left to claim or the deadline has passed."""
    request = json.loads(arguments[0])
    if request["core"] is not None:
        os.sched_setaffinity(0, {request["core"]})
    work, plan = Path(request["work"]), from_json(request["plan"])
    deadline = time.time() + request["seconds"]
    for job in jobs(work, plan, deadline):
        job()
    return 0


def jobs(work: Path, plan: Plan, deadline: float) -> Iterator[Callable[[], None]]:
    """Cold starts first, then cells whose cold start is there. Past the deadline (of `time.time`) none begins."""
    for seed in plan.seeds:
        if cold_accuracy(work, plan.sizes, seed) is None and claimed(work, f"cold_{seed}") and time.time() < deadline:
            yield lambda seed=seed: quietly(work, plan, seed)  # type: ignore[misc]
    left = [cell for cell in plan.cells() if result_of(work, plan, cell) is None]
    while left and time.time() < deadline:
        ready = [cell for cell in left if cold_accuracy(work, plan.sizes, cell.seed) is not None]
        left = [cell for cell in left if not failed_mark(work, plan, cell.seed).exists()]
        if not ready:
            time.sleep(WAIT_SECONDS)
            continue
        left.remove(ready[0])
        if claimed(work, ready[0].name):
            yield lambda cell=ready[0]: run_cell(work, plan, cell)  # type: ignore[misc]


def quietly(work: Path, plan: Plan, seed: int) -> None:
    """A cold start; when it fails, a mark keeps others from waiting for it."""
    try:
        cold_start(work, plan.sizes, seed, threads=1)
    except FAILURES:
        traceback.print_exc()
        failed_mark(work, plan, seed).touch()


def failed_mark(work: Path, plan: Plan, seed: int) -> Path:
    """A file among the claims, which every start of the benchmark clears."""
    return work / "algorithms" / "claims" / f"failed_{seed}"


def claimed(work: Path, name: str) -> bool:
    """Whether this process is the first to ask for `name` since the benchmark was started."""
    folder = work / "algorithms" / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def run_cell(work: Path, plan: Plan, cell: Cell) -> None:
    """Train, evaluate, write down; a failure is written down too."""
    cold = cold_folder(work, plan.sizes, cell.seed) / "model"
    request, file = plan.request(cell, cold), cell_file(work, cell)
    root = work / "algorithms" / "runs" / cell.name
    shutil.rmtree(root, ignore_errors=True)
    try:
        keep(file, request, measured(root, plan, request["overrides"], cold))
    except FAILURES as error:
        traceback.print_exc()
        keep_failure(file, request, f"{type(error).__name__}: {error}")
    else:
        shutil.rmtree(root)


def measured(root: Path, plan: Plan, overrides: list[str], cold: Path) -> dict[str, Any]:
    """One run of the pipeline: held-out accuracy at its end, and how it got there."""
    course: list[dict[str, float]] = []
    begun = time.perf_counter()
    with trained_by(budgeted(plan.tokens, course)):
        run = our_run(root, [*overrides, f"stages.{RL}.model_from={cold}"])
    summary = summary_of(run)
    stage = summary["stages"][RL]
    return {
        "accuracy": {entry["mode"]: entry["accuracy"] for entry in summary["eval"]},
        "tokens_sampled": stage["tokens_sampled"],
        "tokens_trained": stage["tokens_trained"],
        "steps": len(course),
        "seconds": time.perf_counter() - begun,
        "course": rounded(course),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
