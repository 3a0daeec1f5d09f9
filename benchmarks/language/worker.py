"""`python -m benchmarks.language.worker JSON`: one run of the pipeline, and what it wrote down."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.language.plan import Request, request_from
from benchmarks.learning.finished import keep, keep_failure
from benchmarks.learning.task import COLD, RL, our_run, summary_of
from grpo.config.errors import ConfigError

CURVES = {
    "accuracy": "rewards/exact_integer/mean",
    "consistency": "rewards/language_consistency/mean",
    "length": "completions/mean_length",
}
"""Name in the record to the metric of a step's completions."""
FAILURES = (ConfigError, RuntimeError, ValueError, OSError)


def main(arguments: Sequence[str]) -> int:
    """Run and write the result, or why there is none; 1 then."""
    order = json.loads(arguments[0])
    request, work = request_from(order["request"]), Path(order["work"])
    root = work / "runs" / request.name
    shutil.rmtree(root, ignore_errors=True)
    try:
        keep(request.file(work), request.as_json(), measured(request, work, root))
    except FAILURES as error:
        traceback.print_exc()
        keep_failure(request.file(work), request.as_json(), f"{type(error).__name__}: {error}")
        return 1
    shutil.rmtree(root)
    return 0


def measured(request: Request, work: Path, root: Path) -> dict[str, Any]:
    """Held-out figures, curves over the steps, seconds; a cold start's model is kept."""
    start = [f"stages.{RL}.model_from={request.start.model(work)}"] if request.start else []
    run = our_run(root, [*request.overrides, *start])
    if request.start is None:
        keep_model(run / "stages" / COLD / "model", request.model(work))
    summary = summary_of(run)
    return {
        "held_out": {entry["mode"]: held_out(entry) for entry in summary["eval"]},
        "curves": curves((run / "metrics.jsonl").read_text(encoding="utf-8")),
        "seconds": sum(stage["wall_seconds"] for stage in summary["stages"].values()),
    }


def keep_model(made: Path, place: Path) -> None:
    """A folder that is there is whole."""
    aside = place.with_name(f"{place.name}.partial.{os.getpid()}")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(made, aside)
    aside.replace(place)


def held_out(entry: dict[str, Any]) -> dict[str, Any]:
    """Accuracy and consistency of an evaluation, each with its interval over problems."""
    language = entry["rewards"]["language_consistency"]
    return {
        "accuracy": {"mean": entry["accuracy"], "ci95": entry["ci95"]},
        "consistency": {"mean": language["mean"], "ci95": language["ci95"]},
    }


def curves(metrics: str) -> dict[str, list[float]]:
    """A number for each reinforcement step; empty for a run without any."""
    steps = [line for line in map(json.loads, metrics.splitlines()) if line["stage"] == RL]
    return {name: [float(f"{line[metric]:.5g}") for line in steps] for name, metric in CURVES.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
