"""`python -m benchmarks.race [--quick]`: our training loop against TRL's, alone on the machine.

Cold starts, TRL's micro-batch, a learning rate for each side, then every side on every seed. Results are kept run by
run below `--work`: the same command after an interruption does what is left.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.learning.finished import finished, keep_failure, standing_facts
from benchmarks.learning.places import settle_places
from benchmarks.learning.task import TaskSizes, cold_accuracy, cold_folder
from benchmarks.memory import ROOT
from benchmarks.race.judge import best_rate, seconds_a_step
from benchmarks.race.picture import PICTURE, drawing
from benchmarks.race.plan import QUICK, TUNED, Race
from benchmarks.race.record import lines, record_of
from benchmarks.record import write
from grpo.run.atomic import write_bytes

RUN_SECONDS = 900
COLD = "from pathlib import Path; from benchmarks.learning.task import *; import json, sys; work, sizes, *rest = " \
       "json.loads(sys.argv[1]); cold_start(Path(work), TaskSizes(**sizes), *rest)"  # fmt: skip


class OutOfTimeError(RuntimeError):
    """No further run is begun; what is finished stays."""


class Runner:
    """Runs that are not finished yet, one at a time, each in a process of its own."""

    def __init__(self, race: Race, work: Path, deadline: float) -> None:
        self.race, self.work, self.deadline = race, work, deadline
        self.folder = work / "race"
        self.folder.mkdir(parents=True, exist_ok=True)

    def cold(self, seed: int) -> Path:
        """The seed's cold start, on all threads: there is nothing beside it."""
        if cold_accuracy(self.work, self.race.sizes, seed) is None:
            order = [str(self.work), sizes_json(self.race.sizes), seed, self.race.threads]
            self._process(["-c", COLD, json.dumps(order)], f"cold_{seed}")
        return cold_folder(self.work, self.race.sizes, seed) / "model"

    def found(self, name: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """The result of a run, now or from an earlier start; None when it failed."""
        file = self.folder / f"{name}.json"
        if finished(file, request) is None:
            order = json.dumps({"request": request, "file": str(file.resolve())})
            try:
                self._process(["-m", "benchmarks.race.worker", order], name)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                log = (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")
                keep_failure(file, request, f"{type(error).__name__}: {log[-600:]}")
        return finished(file, request)

    def _process(self, words: list[str], name: str) -> None:
        if time.monotonic() > self.deadline:
            raise OutOfTimeError(f"no time left for {name}")
        begun = time.perf_counter()
        threads = {"OMP_NUM_THREADS": str(self.race.threads), "OMP_WAIT_POLICY": "PASSIVE"}
        with (self.folder / f"{name}.log").open("wb") as log:
            subprocess.run(
                [sys.executable, *words],
                cwd=ROOT,
                env=os.environ | threads,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=RUN_SECONDS,
                check=True,
            )
        print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)


def sizes_json(sizes: TaskSizes) -> dict[str, Any]:
    return {name: getattr(sizes, name) for name in TaskSizes.__slots__}


def measure(race: Race, runner: Runner, record: dict[str, Any], out: Path) -> None:
    """Everything in its order; `record` grows and is written after every run."""
    cold = runner.cold(race.tuning_seed)
    trials = {size: runner.found(f"trial_{size}", race.trial(cold, size)) for size in race.micro_batches}
    record["trials"] = {str(size): seconds_a_step(run["points"]) for size, run in trials.items() if run}
    micro_batch = int(min(record["trials"], key=record["trials"].get)) if record["trials"] else race.micro_batches[0]
    rates = {side: {} for side in TUNED if side in race.sides}  # type: dict[str, dict[float, Any]]
    for lr in race.rates if len(race.rates) > 1 else ():
        for side in rates:
            run = runner.found(f"tune_{side}_{lr:g}", race.tuning(side, cold, lr, micro_batch))
            if run is not None:
                rates[side][lr] = run
    chosen = {side: best_rate(runs) if runs else race.rates[0] for side, runs in rates.items()}
    record["rates"] = {
        side: {f"{lr:g}": run["held_out"][-1]["sampled"] for lr, run in runs.items()} for side, runs in rates.items()
    }
    record["chosen"] = {"micro_batch": micro_batch, "lr": chosen}
    for seed, order in race.orders():
        cold = runner.cold(seed)
        for side in order:
            lr = chosen["trl" if side == "trl" else "ours"]
            run = runner.found(f"{side}_{seed}", race.request(side, seed, cold, lr, micro_batch))
            record["runs"].setdefault(side, {})[str(seed)] = run
            write(record_of(record, race), out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Race, write record and picture; 1 when the bar is missed or could not be judged, else 0."""
    options = parse(arguments)
    race = QUICK if options.quick else race_of(options)
    torch.set_num_threads(race.threads)
    record = standing_facts(options.work / "race", "race", race.seeds[0]) | {"runs": {}}
    runner = Runner(race, options.work, time.monotonic() + 60 * options.minutes)
    try:
        measure(race, runner, record, options.out)
    except OutOfTimeError as error:
        print(error, file=sys.stderr)
    whole = record_of(record, race)
    if whole["sides"]:
        write(whole, options.out)
    if "trl" in whole["sides"] and "ours" in whole["sides"]:
        write_bytes(options.picture, drawing(whole).encode())
    print("\n".join(lines(whole)))
    return 0 if whole["bar"]["met"] else 1


def race_of(options: argparse.Namespace) -> Race:
    """The whole race at the chosen sizes."""
    return Race(
        sizes=TaskSizes(prompts=options.prompts, held_out=options.held_out, cold_steps=options.cold_steps),
        seeds=tuple(range(options.seeds)),
        tuning_seed=3,
        sides=tuple(options.sides),
        steps=options.steps,
        threads=options.threads,
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Options; a wrong one ends the program with what would be right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    whole = Race()
    parser.add_argument("--quick", action="store_true", help="a few steps of a tiny model: a look, not a result")
    parser.add_argument("--sides", nargs="+", choices=whole.sides, default=list(whole.sides))
    parser.add_argument("--seeds", type=int, choices=range(1, 4), default=len(whole.seeds), help="how many, from 0")
    parser.add_argument("--steps", type=int, default=whole.steps, help="of the shared budget")
    parser.add_argument("--prompts", type=int, default=whole.sizes.prompts, help="of a step")
    parser.add_argument("--held-out", type=int, default=whole.sizes.held_out, help="problems of an evaluation")
    parser.add_argument("--cold-steps", type=int, default=whole.sizes.cold_steps, help="supervised steps")
    parser.add_argument("--threads", type=int, default=whole.threads)
    parser.add_argument("--minutes", type=float, default=60.0, help="no run is begun after so many")
    parser.add_argument("--work", type=Path, default=None, help="cold starts and finished runs")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE.json", help="default: results/race.json")
    options = parser.parse_args(arguments)
    settle_places(options, "race", "learning", PICTURE)
    return options


if __name__ == "__main__":
    sys.exit(main())
