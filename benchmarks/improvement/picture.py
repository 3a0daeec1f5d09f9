"""Held-out accuracy over cost, of the rounds and of the student's two ways, as one SVG for the docs.

`python -m benchmarks.improvement.picture` draws docs/improvement.svg anew from benchmarks/results/improvement.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning.drawing import Points, legend, two_panels
from benchmarks.record import RESULTS

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "improvement.svg"
COLOURS = {"rounds": "#2f81f7", "plain": "#d9822b", "distilled": "#2da44e", "rl": "#d9822b"}
KEYS = {"rounds": "rounds", "plain": "RL alone", "distilled": "distilled"}
TERA = 1e12


def drawing(record: Mapping[str, Any]) -> str:
    """The SVG document; the record must have a whole seed. Thin curves are of a seed, bold ones their means."""
    rounds, student = record["rounds"], record["student"]
    points = {side: [point[side] for point in rounds["points"].values()] for side in ("rounds", "plain")}
    ways = {"rl": [student["rl"], student["rl_and_traces"]], "distilled": [student["distilled"]]}
    left = {side: lines_of(rounds["cold_start"], rows) for side, rows in points.items()}
    right = {side: lines_of(student["cold_start"], rows) for side, rows in ways.items()}
    title = "Sampled accuracy on held-out problems over cost since the cold start"
    keys = legend([(COLOURS[side], name) for side, name in KEYS.items()], step=120)
    return two_panels(title, keys, {"TFLOP": left, "the student's TFLOP": right}, COLOURS)


def lines_of(start: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[Points]:
    """(TFLOP, accuracy) of each seed from the start on, and, last, their mean."""
    heights = [start["sampled"]["values"], *(row["sampled"]["values"] for row in rows)]
    costs = [[0.0] * len(heights[0]), *(row["cost"]["flops"] for row in rows)]
    seeds = range(len(heights[0]))
    each = [[(cost[seed] / TERA, height[seed]) for cost, height in zip(costs, heights, strict=True)] for seed in seeds]
    mean = [
        (sum(cost) / len(seeds) / TERA, sum(height) / len(seeds)) for cost, height in zip(costs, heights, strict=True)
    ]
    return [*each, mean]


if __name__ == "__main__":
    PICTURE.write_text(
        drawing(json.loads((RESULTS / "improvement.json").read_text(encoding="utf-8"))), encoding="utf-8"
    )
