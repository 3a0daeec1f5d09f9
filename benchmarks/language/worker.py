"""`python -m benchmarks.language.worker JSON`: one run of the pipeline, and what it wrote down."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.learning.requests import Request, keep_model
from benchmarks.learning.runner import work_off
from benchmarks.learning.task import RL, our_run, summary_of

CURVES = {
    "accuracy": "rewards/exact_integer/mean",
    "consistency": "rewards/language_consistency/mean",
    "length": "completions/mean_length",
}
"""Name in the record to the metric of a step's completions."""


def measured(request: Request, work: Path, root: Path) -> dict[str, Any]:
    """Held-out figures, curves over the steps, seconds; a cold start's model is kept."""
    run = our_run(root, request.filled(work))
    if request.keeps:
        keep_model(run / "stages" / request.keeps / "model", request.model(work))
    summary = summary_of(run)
    return {
        "held_out": {entry["mode"]: held_out(entry) for entry in summary["eval"]},
        "curves": curves((run / "metrics.jsonl").read_text(encoding="utf-8")),
        "seconds": sum(stage["wall_seconds"] for stage in summary["stages"].values()),
    }


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
    sys.exit(work_off(sys.argv[1], measured))
