"""Curves as numbers: picked from rows, thinned, smoothed, and given round ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grpo.report.read import RunData

MOST_POINTS = 600
SMOOTH_FROM = 40
"""Curves of at least this many points also get a moving average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One curve. `stages[i]` is the stage of point i: the line breaks where it changes."""

    label: str
    tone: int
    """Place in the palette."""
    steps: tuple[float, ...]
    """Where the points lie across: steps of the run, unless the chart says otherwise."""
    values: tuple[float, ...]
    stages: tuple[str, ...]
    low: tuple[float | None, ...] = ()
    """Lower interval ends, beside `values`; empty: none."""
    high: tuple[float | None, ...] = ()


def pick(run: RunData, name: str, label: str, tone: int) -> Series:
    """The curve of one metric over the run's steps; empty when it was never logged."""
    rows = [row for row in run.rows if name in row.values]
    has_interval = any(name + "_low" in row.values for row in rows)
    return Series(
        label=label,
        tone=tone,
        steps=tuple(row.step for row in rows),
        values=tuple(row.values[name] for row in rows),
        stages=tuple(row.stage for row in rows),
        low=tuple(row.values.get(name + "_low") for row in rows) if has_interval else (),
        high=tuple(row.values.get(name + "_high") for row in rows) if has_interval else (),
    )


def thin(series: Series, most: int = MOST_POINTS) -> Series:
    """At most `most` points: the lowest and the highest of each bucket, so that spikes stay."""
    total = len(series.values)
    if total <= most:
        return series
    buckets = most // 2
    keep: set[int] = set()
    for bucket in range(buckets):
        members = range(bucket * total // buckets, (bucket + 1) * total // buckets)
        keep.add(min(members, key=lambda place: series.values[place]))
        keep.add(max(members, key=lambda place: series.values[place]))
    return _take(series, sorted(keep))


def smooth(series: Series) -> Series | None:
    """Centred moving average within each stage, thinned; None for short curves."""
    total = len(series.values)
    if total < SMOOTH_FROM:
        return None
    half = max(2, total // 30)
    sums = [0.0]
    for value in series.values:
        sums.append(sums[-1] + value)
    edges = _stage_edges(series.stages)
    means = []
    for place in range(total):
        first, last = max(edges[place][0], place - half), min(edges[place][1], place + half)
        means.append((sums[last + 1] - sums[first]) / (last + 1 - first))
    step = math.ceil(total / MOST_POINTS)
    places = sorted({*range(0, total, step), total - 1})
    even = Series(label=series.label, tone=series.tone, steps=series.steps, values=tuple(means), stages=series.stages)
    return _take(even, places[-MOST_POINTS:] if len(places) > MOST_POINTS else places)


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` + 1 round values within [low, high]; raises ValueError unless low < high."""
    if not low < high:
        raise ValueError(f"ticks need low < high, got {low} and {high}")
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]


def bounds(values: Sequence[float], is_share: bool) -> tuple[float, float]:
    """Axis ends with a little air; a share stays within [0, 1], and what is never negative starts at 0 when near."""
    low, high = min(values), max(values)
    if low == high:
        pad = abs(low) * 0.1 or (0.02 if is_share else 0.5)
        low, high = low - pad, high + pad
    pad = 0.06 * (high - low)
    floor = 0.0 if min(values) >= 0 and low < 0.5 * high else low - pad
    ceiling = high + pad
    if is_share:
        floor, ceiling = max(0.0, floor), min(1.0, ceiling) if max(values) <= 1 else ceiling
    return floor, ceiling


def _stage_edges(stages: Sequence[str]) -> list[tuple[int, int]]:
    edges: list[tuple[int, int]] = []
    start = 0
    for place in range(1, len(stages) + 1):
        if place == len(stages) or stages[place] != stages[start]:
            edges += [(start, place - 1)] * (place - start)
            start = place
    return edges


def _take(series: Series, places: Sequence[int]) -> Series:
    return Series(
        label=series.label,
        tone=series.tone,
        steps=tuple(series.steps[i] for i in places),
        values=tuple(series.values[i] for i in places),
        stages=tuple(series.stages[i] for i in places),
        low=tuple(series.low[i] for i in places) if series.low else (),
        high=tuple(series.high[i] for i in places) if series.high else (),
    )
