"""`python -m benchmarks.language [--quick]`: what the language reward gives and takes on the bilingual task.

For each seed a cold start whose demonstrations mix languages, then reinforcement with and without the language reward.
Results are kept run by run below `--work`: the same command after an interruption does what is left.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.language.picture import PICTURE, drawing
from benchmarks.language.plan import Plan
from benchmarks.language.record import lines, record_of
from benchmarks.learning.finished import standing_facts
from benchmarks.learning.places import settle_places
from benchmarks.learning.runner import Runner
from benchmarks.record import write
from grpo.run.atomic import write_bytes

QUICK = Plan(seeds=(0, 1), cold_steps=2, steps=2, prompts=4, held_out=8, small=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is left, write record and picture; 1 when runs are missing, else 0."""
    options = parse(arguments)
    plan = plan_of(options)
    head = standing_facts(options.work, "language", plan.seeds[0])
    runner = Runner("benchmarks.language.worker", plan.workers, options.work, time.monotonic() + 60 * options.minutes)
    run_all(plan, runner)
    record = record_of(head, plan, options.work)
    write(record, options.out)
    if record["sides"]:
        write_bytes(options.picture, drawing(record).encode())
    print("\n".join(lines(record)))
    return 1 if record["missing"] else 0


def run_all(plan: Plan, runner: Runner) -> None:
    """Cold starts, then the runs whose cold start is there."""
    runner.together([plan.cold(seed) for seed in plan.seeds])
    runs = [request for _, _, request in plan.runs()]
    runner.together([one for one in runs if all(runner.found(start) is not None for _, start in one.models)])


def plan_of(options: argparse.Namespace) -> Plan:
    """The quick plan, or the whole one at the chosen sizes."""
    if options.quick:
        return QUICK
    return Plan(
        seeds=tuple(range(options.seeds)),
        cold_steps=options.cold_steps,
        steps=options.steps,
        prompts=options.prompts,
        held_out=options.held_out,
        weight=options.weight,
        lr=options.lr,
        engine=options.engine,
        workers=options.workers,
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options; a wrong one ends the program with what would be right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.language", description=__doc__)
    whole = Plan()
    parser.add_argument("--quick", action="store_true", help="two steps of a tiny model: a look, not a result")
    parser.add_argument("--seeds", type=int, choices=range(1, 6), default=len(whole.seeds), help="how many, from 0")
    parser.add_argument("--cold-steps", type=int, default=whole.cold_steps, help="supervised steps")
    parser.add_argument("--steps", type=int, default=whole.steps, help="rollouts of each run")
    parser.add_argument("--prompts", type=int, default=whole.prompts, help="of a rollout")
    parser.add_argument("--held-out", type=int, default=whole.held_out, help="problems of an evaluation")
    parser.add_argument("--weight", type=float, default=whole.weight, help="of the language reward")
    parser.add_argument("--lr", type=float, default=whole.lr)
    parser.add_argument("--engine", choices=("transformers", "vllm"), default=whole.engine)
    parser.add_argument("--workers", type=int, default=whole.workers, help="processes of one thread")
    parser.add_argument("--minutes", type=float, default=60.0, help="no run is begun after so many")
    parser.add_argument("--work", type=Path, default=None, help="cold starts and finished runs")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE.json", help="default: results/language.json")
    options = parser.parse_args(arguments)
    settle_places(options, "language", "language", PICTURE)
    return options


if __name__ == "__main__":
    sys.exit(main())
