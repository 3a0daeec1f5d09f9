"""`python -m benchmarks.improvement [--quick]`: what rounds of self-improvement and distillation give for their cost.

On the embedded task, from the same cold starts: reinforcement with rounds of rejection sampling and fine-tuning of the
base in between, against reinforcement alone that has cost as much; and a smaller student taught by the larger model,
against its own reinforcement. Cost is FLOPs, from counts of tokens, so that it does not depend on how busy the
machine is; seconds are shown beside it. Results are kept run by run below `--work`: the same command after an
interruption does what is left.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.improvement.picture import PICTURE, drawing
from benchmarks.improvement.plan import Plan, follow
from benchmarks.improvement.record import lines, record_of
from benchmarks.learning.finished import standing_facts
from benchmarks.learning.places import settle_places
from benchmarks.learning.runner import Runner
from benchmarks.learning.task import TaskSizes
from benchmarks.record import write
from grpo.run.atomic import write_bytes

QUICK = Plan(
    sizes=TaskSizes(cold_steps=60, prompts=8, completions=4, max_tokens=24, held_out=4, small=True),
    seeds=(0,),
    rl_steps=2,
    student_cold_steps=20,
    student_steps=20,
    samples=2,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is left, write record and picture; 1 when runs are missing, else 0."""
    options = parse(arguments)
    plan = plan_of(options)
    head = standing_facts(options.work, "improvement", plan.seeds[0])
    deadline = time.monotonic() + 60 * options.minutes
    runner = Runner("benchmarks.improvement.worker", plan.workers, options.work, deadline)
    with ThreadPoolExecutor(len(plan.seeds)) as pool:
        for done in [pool.submit(follow, plan, seed, runner) for seed in plan.seeds]:
            done.result()
    record = record_of(head, plan, options.work)
    write(record, options.out)
    if record["student"]["seeds"]:
        write_bytes(options.picture, drawing(record).encode())
    print("\n".join(lines(record)))
    return 1 if record["missing"] else 0


def plan_of(options: argparse.Namespace) -> Plan:
    """The quick plan, or the whole one at the chosen sizes."""
    if options.quick:
        return QUICK
    return Plan(
        sizes=TaskSizes(held_out=options.held_out, cold_steps=options.cold_steps),
        seeds=tuple(range(options.seeds)),
        rl_steps=options.rl_steps,
        lr=options.lr,
        workers=options.workers,
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options; a wrong one ends the program with what would be right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.improvement", description=__doc__)
    whole = Plan()
    parser.add_argument("--quick", action="store_true", help="a few steps of a tiny model: a look, not a result")
    parser.add_argument("--seeds", type=int, choices=range(1, 6), default=len(whole.seeds), help="how many, from 0")
    parser.add_argument("--cold-steps", type=int, default=whole.sizes.cold_steps, help="supervised steps")
    parser.add_argument("--rl-steps", type=int, default=whole.rl_steps, help="rollouts between two rounds")
    parser.add_argument("--held-out", type=int, default=whole.sizes.held_out, help="problems of an evaluation")
    parser.add_argument("--lr", type=float, default=whole.lr, help="of reinforcement")
    parser.add_argument("--workers", type=int, default=whole.workers, help="processes of one thread")
    parser.add_argument("--minutes", type=float, default=60.0, help="no run is begun after so many")
    parser.add_argument("--work", type=Path, default=None, help="finished runs and their models")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE.json", help="default: results/improvement.json")
    options = parser.parse_args(arguments)
    settle_places(options, "improvement", "improvement", PICTURE)
    return options


if __name__ == "__main__":
    sys.exit(main())
