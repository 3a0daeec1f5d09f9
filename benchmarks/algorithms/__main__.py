"""`python -m benchmarks.algorithms [--quick]`: every algorithm on the embedded task, at equal sampled tokens.

Results are kept cell by cell below `--work`: the same command after an interruption does what is left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.algorithms.plan import Plan, as_json, cell_file
from benchmarks.algorithms.record import lines, record_of
from benchmarks.algorithms.rows import ROWS
from benchmarks.learning.finished import standing_facts
from benchmarks.learning.places import ONE_THREAD, settle_places
from benchmarks.learning.task import TaskSizes
from benchmarks.memory import ROOT
from benchmarks.record import write

POLL_SECONDS = 1.0
GRACE_SECONDS = 600
"""After the deadline, for the cells that had begun."""
QUICK = Plan(
    sizes=TaskSizes(cold_steps=2, prompts=4, completions=4, max_tokens=24, held_out=8, small=True),
    rows=("token_mean",),
    seeds=(0, 1),
    steps=2,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is not finished, write the record after every cell; 1 when cells are missing or failed."""
    options = parse(arguments)
    plan, work = plan_of(options), options.work
    torch.set_num_threads(1)
    head = standing_facts(work, "algorithms", min(plan.seeds))
    shutil.rmtree(work / "algorithms" / "claims", ignore_errors=True)
    workers = start(plan, work, 60 * options.minutes)
    seen = -1
    try:
        give_up = time.monotonic() + 60 * options.minutes + GRACE_SECONDS
        while any(worker.poll() is None for worker in workers) and time.monotonic() < give_up:
            count = sum(cell_file(work, cell).exists() for cell in plan.cells())
            if count != seen:
                write(record_of(head, plan, work), options.out)
                print(f"{count} of {len(list(plan.cells()))} cells", flush=True)
                seen = count
            time.sleep(POLL_SECONDS)
    finally:
        stop(workers)
    record = record_of(head, plan, work)
    write(record, options.out)
    print("\n".join(lines(record)))
    return 0 if not record["missing"] and all(worker.returncode == 0 for worker in workers) else 1


def start(plan: Plan, work: Path, seconds: float) -> list[subprocess.Popen[bytes]]:
    """A single-threaded worker for each core, as far as there are so many; what they print goes to files."""
    cores = sorted(os.sched_getaffinity(0))
    folder = work / "algorithms"
    folder.mkdir(parents=True, exist_ok=True)
    workers = []
    for number in range(plan.workers):
        core = cores[number] if len(cores) >= plan.workers else None
        request = {"work": str(work.resolve()), "plan": as_json(plan), "core": core, "seconds": seconds}
        with (folder / f"worker_{number}.log").open("wb") as log:
            workers.append(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.algorithms.worker", json.dumps(request)],
                    cwd=ROOT,
                    env=os.environ | ONE_THREAD,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    return workers


def stop(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """End those that still run: a first signal lets a run close its files, a second one does not wait."""
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()
    for worker in workers:
        try:
            worker.wait(timeout=30)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def plan_of(options: argparse.Namespace) -> Plan:
    """The quick plan, or the whole one at the chosen sizes."""
    if options.quick:
        return QUICK
    return Plan(
        sizes=TaskSizes(prompts=options.prompts, held_out=options.held_out, cold_steps=options.cold_steps),
        rows=tuple(options.rows),
        seeds=tuple(range(options.seeds)),
        steps=options.steps,
        lr=options.lr,
        workers=options.workers,
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options; a wrong one ends the program with what would be right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.algorithms", description=__doc__)
    whole, sizes = Plan(sizes=TaskSizes()), TaskSizes()
    parser.add_argument("--quick", action="store_true", help="one algorithm, two steps: a look, not a result")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, choices=range(1, 6), default=len(whole.seeds), help="how many, from 0")
    parser.add_argument("--steps", type=int, default=whole.steps, help="rollouts the token budget is made for")
    parser.add_argument("--prompts", type=int, default=sizes.prompts, help="of a rollout")
    parser.add_argument("--held-out", type=int, default=sizes.held_out, help="problems of the evaluation")
    parser.add_argument("--cold-steps", type=int, default=sizes.cold_steps, help="supervised steps")
    parser.add_argument("--lr", type=float, default=whole.lr)
    parser.add_argument("--workers", type=int, default=whole.workers, help="processes of one thread, a core each")
    parser.add_argument("--minutes", type=float, default=50.0, help="no cell is begun after so many")
    parser.add_argument("--work", type=Path, default=None, help="cold starts and finished cells")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE.json", help="default: results/algorithms.json")
    options = parser.parse_args(arguments)
    settle_places(options, "algorithms", "learning")
    return options


if __name__ == "__main__":
    sys.exit(main())
