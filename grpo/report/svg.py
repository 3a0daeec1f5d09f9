"""A line chart as inline SVG: readable without scripts, with the numbers beside it for the hover script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from grpo.report.alarms import Mark
from grpo.report.read import StageSpan
from grpo.report.series import Series, bounds, smooth, thin, ticks
from grpo.report.text import by_unit, esc

WIDTH, HEIGHT = 390, 225
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 24, 26
_NARROW = 8
"""Stages of fewer pixels, evaluations mostly, do not alternate the shading."""
_MARK_APART = 14
"""Pixels between the numbers of two marks; nearer ones keep their line alone."""
_LETTER = 6.2
"""Width of a stage label's letter, for leaving out labels that do not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a chart shows. Series hold all points; thinning happens here."""

    title: str
    unit: str
    series: tuple[Series, ...]
    stages: tuple[StageSpan, ...]
    caption: str
    across: str = "step"
    """What the horizontal axis counts."""
    marks: tuple[Mark, ...] = ()
    """Alarms; those before or after the chart's steps are left out."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Maps steps and values to the drawing."""

    first: float
    last: float
    low: float
    high: float

    def x(self, step: float) -> float:
        """Pixels from the left."""
        return LEFT + (step - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top; values beyond the frame stay at its edge."""
        inside = min(max(value, self.low), self.high)
        return TOP + (self.high - inside) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def frame_of(chart: Chart) -> Frame:
    """Axes that hold every point and interval of the chart."""
    steps = [step for one in chart.series for step in one.steps]
    steps += [step for span in chart.stages for step in (span.first, span.last)]
    values = [value for one in chart.series for value in one.values]
    values += [end for one in chart.series for end in (*one.low, *one.high) if end is not None]
    low, high = bounds(values, chart.unit == "share")
    first, last = min(steps), max(steps)
    return Frame(first, last if last > first else first + 1, low, high)


def line_chart(whole: Chart) -> str:
    """The SVG element; the chart must have at least one point. Stages before and after all points are left out."""
    chart = replace(whole, stages=stages_with_points(whole))
    frame = frame_of(chart)
    parts = [_stage_bands(chart.stages, frame), _axes(chart, frame), _marks(chart.marks, frame)]
    for one in chart.series:
        parts.append(_curve(one, frame))
    label = f"{chart.title}: {_in_words(chart)}"
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" tabindex="0" aria-label="{esc(label)}" '
        f'data-chart="{esc(_data(chart, frame))}">{"".join(parts)}'
        '<g class="cursor" visibility="hidden"><line class="rule"/></g></svg>'
    )


def stages_with_points(chart: Chart) -> tuple[StageSpan, ...]:
    """The chart's stages from the first to the last that hold a point."""
    steps = [step for one in chart.series for step in one.steps]
    return tuple(span for span in chart.stages if span.last >= min(steps) and span.first <= max(steps))


def _in_words(chart: Chart) -> str:
    words = []
    for one in chart.series:
        if one.values:
            words.append(
                f"{one.label} from {by_unit(one.values[0], chart.unit)} at {chart.across} {one.steps[0]:g} "
                f"to {by_unit(one.values[-1], chart.unit)} at {chart.across} {one.steps[-1]:g}"
            )
    return "; ".join(words)


def _data(chart: Chart, frame: Frame) -> str:
    series = []
    for one in chart.series:
        few = thin(one)
        series.append(
            {
                "label": one.label,
                "tone": one.tone,
                "steps": few.steps,
                "values": [float(f"{value:.5g}") for value in few.values],
            }
        )
    box = [LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM]
    return json.dumps(
        {
            "x": [frame.first, frame.last],
            "y": [frame.low, frame.high],
            "box": box,
            "across": chart.across,
            "percent": chart.unit == "share",
            "series": series,
        },
        separators=(",", ":"),
    )


def _stage_bands(stages: Sequence[StageSpan], frame: Frame) -> str:
    if len(stages) < 2:
        return ""
    parts = []
    wide = 0
    for span in stages:
        left = frame.x(max(span.first - 0.5, frame.first))
        right = frame.x(min(span.last + 0.5, frame.last))
        wide += right - left > _NARROW
        parts.append(
            f'<rect class="band b{wide % 2}" x="{left:.1f}" y="{TOP}" width="{max(right - left, 0.5):.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"/>'
        )
        if len(span.name) * _LETTER < right - left:
            parts.append(f'<text class="stage" x="{(left + right) / 2:.1f}" y="{TOP - 7}">{esc(span.name)}</text>')
    return "".join(parts)


def _marks(marks: Sequence[Mark], frame: Frame) -> str:
    parts: list[str] = []
    free_from = float("-inf")
    for mark in (mark for mark in marks if frame.first <= mark.step <= frame.last):
        x = frame.x(mark.step)
        number = ""
        if x >= free_from:
            free_from = x + _MARK_APART
            number = f'<text class="alarm-label" x="{x:.1f}" y="{HEIGHT - BOTTOM - 4}">{mark.number}</text>'
        parts.append(
            f'<g class="alarm"><title>{esc(mark.name)} at step {mark.step}</title><line x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>{number}</g>'
        )
    return "".join(parts)


def _axes(chart: Chart, frame: Frame) -> str:
    parts = []
    for value in ticks(frame.low, frame.high, 4):
        y = frame.y(value)
        shown = f"{100 * value:.4g} %" if chart.unit == "share" else _tick(value)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick y" x="{LEFT - 6}" y="{y + 3.5:.1f}">{shown}</text>'
        )
    for value in ticks(frame.first, frame.last, 6):
        if value == int(value):
            parts.append(f'<text class="tick x" x="{frame.x(value):.1f}" y="{HEIGHT - 9}">{int(value):,}</text>')
    return "".join(parts)


def _tick(value: float) -> str:
    size = abs(value)
    if size and (size < 2e-3 or size >= 1e6):
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:,.6g}"


def _curve(one: Series, frame: Frame) -> str:
    few, even = thin(one), smooth(one)
    parts = [f'<path class="line t{one.tone}{" raw" if even else ""}" d="{path(few, frame)}"/>']
    if even:
        parts.append(f'<path class="line t{one.tone}" d="{path(even, frame)}"/>')
    for place, (low, high) in enumerate(zip(few.low, few.high, strict=True)):
        if low is not None and high is not None:
            x = frame.x(few.steps[place])
            parts.append(
                f'<line class="line t{one.tone}" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{frame.y(low):.1f}" y2="{frame.y(high):.1f}"/>'
            )
    if len(few.values) <= 30:
        parts += [
            f'<circle class="dot t{one.tone}" cx="{frame.x(step):.1f}" cy="{frame.y(value):.1f}" r="3"/>'
            for step, value in zip(few.steps, few.values, strict=True)
        ]
    return "".join(parts)


def path(series: Series, frame: Frame) -> str:
    """SVG path data; a new stage begins a new line, unless each stage has but one point."""
    broken = len(set(series.stages)) < len(series.stages)
    parts: list[str] = []
    for place, (step, value) in enumerate(zip(series.steps, series.values, strict=True)):
        starts = place == 0 or (broken and series.stages[place] != series.stages[place - 1])
        parts.append(f"{'M' if starts else 'L'}{frame.x(step):.1f} {frame.y(value):.1f}")
    return "".join(parts)
