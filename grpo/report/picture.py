"""A small learning-curve drawing for a README: several seeds and their mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from grpo.report.page import write_page
from grpo.report.read import RunData, read_run
from grpo.report.series import Series, pick, smooth, ticks
from grpo.report.text import esc

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 18, 40, 46
INK, GRID, MAIN = "#768390", "#76839040", "#2f81f7"
"""Mid tones that read on a white and on a dark page."""
PREFERRED = ("reward", "eval/sampled_accuracy", "loss")


def write_curve_picture(run_folders: Sequence[Path], out: Path) -> Path:
    """Write an SVG of the reward (failing that, the accuracy) over the steps of one or several runs.

    Thin lines are runs (smoothed when long), the bold line is their mean. Only the last stage that has the
    metric is drawn. Raises ValueError when a folder is no run folder or no run has a curve.
    """
    found = last_curves([read_run(folder) for folder in run_folders])
    if found is None:
        raise ValueError(
            f"none of the {len(run_folders)} run(s) has a curve: metrics.jsonl holds none of {', '.join(PREFERRED)}"
        )
    return write_page(out, drawing(*found))


def last_curves(runs: Sequence[RunData]) -> tuple[str, list[Series]] | None:
    """The first of `PREFERRED` that a run has, and each run's curve of it in its last stage; None: no run has any."""
    for name in PREFERRED:
        curves = [_last_stage(pick(run, name, run.folder.name, 0)) for run in runs]
        found = [curve for curve in curves if curve.values]
        if found:
            return name, found
    return None


def drawing(name: str, curves: Sequence[Series]) -> str:
    """The SVG document; at least one curve with at least one point."""
    even = [smooth(curve) or curve for curve in curves]
    mean = mean_curve(even)
    values = [value for curve in even for value in curve.values]
    low, high = min(0.0, *values), max(values) * 1.15
    if not low < high:
        low, high = low - 1.0, high + 1.0
    last = max(curve.steps[-1] for curve in even)

    def place(step: float, value: float) -> tuple[float, float]:
        return (
            LEFT + step / max(last, 1) * (WIDTH - LEFT - RIGHT),
            TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM),
        )

    parts = []
    for value in ticks(low, high, 5):
        y = place(0, value)[1]
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    for value in ticks(0, max(last, 1), 6):
        parts.append(
            f'<text x="{place(value, low)[0]:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{value:g}</text>'
        )
    for curve in even:
        parts.append(_line(curve, place, 1.2 if len(even) > 1 else 2.4, 0.45 if len(even) > 1 else 1.0))
    if len(even) > 1:
        parts.append(_line(mean, place, 2.8, 1.0))
    title = f"{name}: {mean.values[0]:.3g} → {mean.values[-1]:.3g}" + (
        f" (mean of {len(even)} runs; thin lines: single runs)" if len(even) > 1 else ""
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{esc(title)}" font-family="system-ui,sans-serif" font-size="13" fill="{INK}">'
        f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{esc(title)}</text>{"".join(parts)}'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">step of the stage</text></svg>\n'
    )


def mean_curve(curves: Sequence[Series]) -> Series:
    """Mean over the runs at the steps that every run has; the first run alone when they share none."""
    shared = sorted(set(curves[0].steps).intersection(*(curve.steps for curve in curves[1:])))
    if not shared:
        return curves[0]
    tables = [dict(zip(curve.steps, curve.values, strict=True)) for curve in curves]
    means = tuple(sum(table[step] for table in tables) / len(tables) for step in shared)
    return Series(label="mean", tone=0, steps=tuple(shared), values=means, stages=("mean",) * len(shared))


def _last_stage(series: Series) -> Series:
    """The points of the last stage, its first step at 1."""
    if not series.values:
        return series
    first = series.stages.index(series.stages[-1])
    start = series.steps[first] - 1
    return Series(
        label=series.label,
        tone=0,
        steps=tuple(step - start for step in series.steps[first:]),
        values=series.values[first:],
        stages=series.stages[first:],
    )


def _line(curve: Series, place: Callable[[float, float], tuple[float, float]], width: float, opacity: float) -> str:
    points = (place(step, value) for step, value in zip(curve.steps, curve.values, strict=True))
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return (
        f'<path d="M{path}" fill="none" stroke="{MAIN}" stroke-width="{width}" opacity="{opacity}" '
        'stroke-linejoin="round"/>'
    )
