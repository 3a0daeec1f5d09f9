"""Consistency, accuracy and length over the steps with and without the language reward, as one SVG for the docs.

`python -m benchmarks.language.picture` draws docs/language.svg anew from benchmarks/results/language.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.learning.drawing import GRID, LEFT, document, legend, smoothed
from benchmarks.optimizer_quality import interval
from benchmarks.record import RESULTS
from grpo.report.series import ticks
from grpo.report.text import esc

WIDTH, HEIGHT = 780, 290
TOP, BOTTOM, RIGHT, GAP = 74, 40, 14, 48
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "language.svg"
COLOURS = {"with": "#2f81f7", "without": "#d9822b"}
NAMES = {"with": "with the language reward", "without": "without"}
PANELS = {"consistency": "language consistency", "accuracy": "right answers", "length": "tokens of a completion"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One side's curve: a value for each step, with its 95 % interval over seeds where there are several."""

    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Maps steps and values to the drawing."""

    left: float
    width: float
    last: float
    low: float
    high: float
    share: bool

    def x(self, step: float) -> float:
        return self.left + step / self.last * self.width

    def y(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return TOP + (self.high - inside) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def drawing(record: Mapping[str, Any]) -> str:
    """The SVG document; the record must have a finished run."""
    width = (WIDTH - LEFT - RIGHT - (len(PANELS) - 1) * GAP) / len(PANELS)
    title = "The bilingual task: completions of each step, mean over seeds and 95 % interval"
    parts = [legend([(COLOURS[side], NAMES[side]) for side in record["sides"]], step=220)]
    for place, (name, label) in enumerate(PANELS.items()):
        bands = {side: band_of(row["curves"], name) for side, row in record["sides"].items()}
        parts.append(panel(bands, LEFT + place * (width + GAP), width, label, name != "length"))
    return document((WIDTH, HEIGHT), title, parts)


def band_of(curves: Mapping[str, Mapping[str, Sequence[float]]], name: str) -> Band:
    """Over the seeds, as many steps as all of them have, each seed smoothed first."""
    steps = min(len(curve[name]) for curve in curves.values())
    smooth = [smoothed(curve[name][:steps]) for curve in curves.values()]
    found = [interval(values) for values in zip(*smooth, strict=True)]
    ends = [one["ci95"] or [one["mean"], one["mean"]] for one in found]
    return Band(
        middle=tuple(one["mean"] for one in found), low=tuple(e[0] for e in ends), high=tuple(e[1] for e in ends)
    )


def panel(bands: Mapping[str, Band], left: float, width: float, label: str, share: bool) -> str:
    """Axes and curves of one quantity."""
    values = [value for band in bands.values() for value in (*band.low, *band.high)]
    high = 1.0 if share else 1.1 * max(values)
    last = max(len(band.middle) for band in bands.values())
    frame = Panel(left=left, width=width, last=last, low=0.0, high=high, share=share)
    parts = [f'<text x="{left:.1f}" y="{TOP - 10}" font-weight="600">{esc(label)}</text>', axes(frame)]
    for side, band in bands.items():
        there = "L".join(f"{frame.x(i + 1):.1f} {frame.y(v):.1f}" for i, v in enumerate(band.high))
        back = "L".join(f"{frame.x(i + 1):.1f} {frame.y(v):.1f}" for i, v in reversed(list(enumerate(band.low))))
        line = "L".join(f"{frame.x(i + 1):.1f} {frame.y(v):.1f}" for i, v in enumerate(band.middle))
        parts.append(f'<path d="M{there}L{back}Z" fill="{COLOURS[side]}" opacity="0.18"/>')
        parts.append(f'<path d="M{line}" fill="none" stroke="{COLOURS[side]}" stroke-width="2.2"/>')
    return "".join(parts)


def axes(frame: Panel) -> str:
    parts = []
    for value in ticks(frame.low, frame.high, 5):
        shown = f"{100 * value:.3g} %" if frame.share else f"{value:g}"
        parts.append(
            f'<path d="M{frame.left:.1f} {frame.y(value):.1f}h{frame.width:.1f}" stroke="{GRID}"/>'
            f'<text x="{frame.left - 6:.1f}" y="{frame.y(value) + 4:.1f}" text-anchor="end">{shown}</text>'
        )
    for value in ticks(0, frame.last, 4):
        if value == int(value):
            parts.append(
                f'<text x="{frame.x(value):.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{value:g}</text>'
            )
    end = frame.left + frame.width
    return "".join(parts) + f'<text x="{end:.1f}" y="{HEIGHT - 5}" text-anchor="end">step</text>'


if __name__ == "__main__":
    PICTURE.write_text(drawing(json.loads((RESULTS / "language.json").read_text(encoding="utf-8"))), encoding="utf-8")
