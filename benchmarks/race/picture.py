"""Accuracy over seconds and over samples, every side's seeds and their mean, as one SVG for the docs.

`python -m benchmarks.race.picture` draws docs/race.svg anew from benchmarks/results/race.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning.drawing import GRID, LEFT, document, legend, smoothed
from benchmarks.record import RESULTS
from grpo.report.series import ticks
from grpo.report.text import esc

WIDTH, HEIGHT = 720, 300
TOP, BOTTOM, GAP = 58, 40, 46
RIGHT = 14
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "race.svg"
COLOURS = {"ours": "#2f81f7", "vllm": "#2da44e", "trl": "#d9822b"}
NAMES = {"ours": "ours, transformers", "vllm": "ours, vLLM", "trl": "TRL, transformers"}
Points = Sequence[tuple[float, float]]


def drawing(record: Mapping[str, Any]) -> str:
    """The SVG document. Curves are means over `WINDOW` steps, thin ones of a seed, bold ones over seeds."""
    half = (WIDTH - LEFT - RIGHT - GAP) / 2
    over_seconds = {side: lines_of(row, None) for side, row in record["sides"].items()}
    sizes = record["plan"]["sizes"]
    over_samples = {
        side: lines_of(row, sizes["prompts"] * sizes["completions"]) for side, row in record["sides"].items()
    }
    title = "Sampled accuracy on training problems, same start and prompts"
    parts = [
        panel(over_seconds, LEFT, half, "seconds of training"),
        panel(over_samples, LEFT + half + GAP, half, "completions sampled"),
        legend([(COLOURS[side], NAMES[side]) for side in record["sides"]], step=160),
    ]
    return document((WIDTH, HEIGHT), title, parts)


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


def panel(sides: Mapping[str, Sequence[Points]], left: float, width: float, name: str) -> str:
    """Axes and curves of one half."""
    points = [point for lines in sides.values() for line in lines for point in line]
    last, high = max(x for x, _ in points) or 1.0, min(1.0, 1.1 * max(y for _, y in points)) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / last * width, TOP + (high - y) / high * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value in ticks(0, high, 5):
        y = place(0, value)[1]
        parts.append(
            f'<path d="M{left:.1f} {y:.1f}h{width:.1f}" stroke="{GRID}"/>'
            f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{100 * value:.3g} %</text>'
        )
    for value in ticks(0, last, 4):
        x = place(value, 0)[0]
        anchor = "end" if value == last else "middle"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="{anchor}">{value:,g}</text>')
    for side, lines in sides.items():
        for line in lines[:-1] if len(lines) > 2 else ():
            parts.append(stroke(line, place, COLOURS[side], 1.0, 0.4))
        parts.append(stroke(lines[-1], place, COLOURS[side], 2.6, 1.0))
    parts.append(f'<text x="{left + width:.1f}" y="{HEIGHT - 5}" text-anchor="end">{esc(name)}</text>')
    return "".join(parts)


def stroke(
    line: Points, place: Callable[[float, float], tuple[float, float]], colour: str, width: float, opacity: float
) -> str:
    path = "L".join("{:.1f} {:.1f}".format(*place(x, y)) for x, y in line)
    return (
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}" opacity="{opacity}" '
        'stroke-linejoin="round"/>'
    )


if __name__ == "__main__":
    PICTURE.write_text(drawing(json.loads((RESULTS / "race.json").read_text(encoding="utf-8"))), encoding="utf-8")
