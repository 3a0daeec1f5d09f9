"""Accuracy over seconds and over samples, every side's seeds and their mean, as one SVG for the docs.

`python -m benchmarks.race.picture` draws docs/race.svg anew from benchmarks/results/race.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning.drawing import Points, legend, smoothed, two_panels
from benchmarks.record import RESULTS

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "race.svg"
COLOURS = {"ours": "#2f81f7", "vllm": "#2da44e", "trl": "#d9822b"}
NAMES = {"ours": "ours, transformers", "vllm": "ours, vLLM", "trl": "TRL, transformers"}


def drawing(record: Mapping[str, Any]) -> str:
    """The SVG document. Curves are means over `WINDOW` steps, thin ones of a seed, bold ones over seeds."""
    over_seconds = {side: lines_of(row, None) for side, row in record["sides"].items()}
    sizes = record["plan"]["sizes"]
    over_samples = {
        side: lines_of(row, sizes["prompts"] * sizes["completions"]) for side, row in record["sides"].items()
    }
    title = "Sampled accuracy on training problems, same start and prompts"
    keys = legend([(COLOURS[side], NAMES[side]) for side in record["sides"]], step=160)
    return two_panels(title, keys, {"seconds of training": over_seconds, "completions sampled": over_samples}, COLOURS)


def lines_of(row: Mapping[str, Any], samples: int | None) -> list[Points]:
    """A smoothed curve for each seed and, last, their mean; over seconds, or over `samples` a step."""
    curves = list(row["curves"].values())
    steps = min(len(curve["accuracy"]) for curve in curves)
    heights = [smoothed(curve["accuracy"][:steps]) for curve in curves]
    places = [
        [samples * (step + 1) for step in range(steps)] if samples else curve["seconds"][:steps] for curve in curves
    ]
    mean = [
        (mean_of(xs), mean_of(ys)) for xs, ys in zip(zip(*places, strict=True), zip(*heights, strict=True), strict=True)
    ]
    return [*(list(zip(xs, ys, strict=True)) for xs, ys in zip(places, heights, strict=True)), mean]


def mean_of(values: Sequence[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    PICTURE.write_text(drawing(json.loads((RESULTS / "race.json").read_text(encoding="utf-8"))), encoding="utf-8")
