"""What the pictures of the learning benchmarks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from grpo.report.series import ticks
from grpo.report.text import esc

LEFT = 48
"""Room for the numbers of the first vertical axis, px; title and legend begin here."""
INK, GRID = "#768390", "#76839040"
WINDOW = 5
"""Steps whose mean is drawn."""
Key = tuple[str, str]
"""Colour and name of a side."""
WIDTH, HEIGHT = 720, 300
"""Of a picture of two panels."""
TOP, BOTTOM, RIGHT, GAP = 58, 40, 14, 46
Points = Sequence[tuple[float, float]]
Sides = Mapping[str, Sequence[Points]]
"""Side to its curves: one of each seed and, last, their mean."""


def document(size: tuple[int, int], title: str, parts: Sequence[str]) -> str:
    """The SVG of `size` (width, height) px, with its title above the parts."""
    width, height = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{esc(title)}" font-family="system-ui,sans-serif" font-size="12" fill="{INK}">'
        f'<text x="{LEFT}" y="20" font-size="14" font-weight="600">{esc(title)}</text>{"".join(parts)}</svg>\n'
    )


def legend(keys: Sequence[Key], step: int) -> str:
    """A coloured name for each side, `step` px apart."""
    parts = []
    for place, (colour, name) in enumerate(keys):
        x = LEFT + step * place
        parts.append(
            f'<path d="M{x} 38h22" stroke="{colour}" stroke-width="3"/><text x="{x + 28}" y="42">{esc(name)}</text>'
        )
    return "".join(parts)


def smoothed(values: Sequence[float]) -> list[float]:
    """Each value's mean with those before it, `WINDOW` at most."""
    windows = [values[max(0, place + 1 - WINDOW) : place + 1] for place in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def two_panels(title: str, keys: str, panels: Mapping[str, Sides], colours: Mapping[str, str]) -> str:
    """The SVG of shares over two quantities; `keys`: the legend, `panels`: a quantity's name to its curves."""
    half = (WIDTH - LEFT - RIGHT - GAP) / 2
    parts = [
        panel(sides, (LEFT + number * (half + GAP), half), name, colours)
        for number, (name, sides) in enumerate(panels.items())
    ]
    return document((WIDTH, HEIGHT), title, [*parts, keys])


def panel(sides: Sides, place: tuple[float, float], name: str, colours: Mapping[str, str]) -> str:
    """Axes and curves of one half, at `place` (left, width) px."""
    left, width = place
    points = [point for lines in sides.values() for line in lines for point in line]
    last, high = max(x for x, _ in points) or 1.0, min(1.0, 1.1 * max(y for _, y in points)) or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x / last * width, TOP + (high - y) / high * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value in ticks(0, high, 5):
        y = at(0, value)[1]
        parts.append(
            f'<path d="M{left:.1f} {y:.1f}h{width:.1f}" stroke="{GRID}"/>'
            f'<text x="{left - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{100 * value:.3g} %</text>'
        )
    for value in ticks(0, last, 4):
        x = at(value, 0)[0]
        anchor = "end" if value == last else "middle"
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="{anchor}">{value:,g}</text>')
    for side, lines in sides.items():
        for line in lines[:-1] if len(lines) > 2 else ():
            parts.append(stroke(line, at, colours[side], 1.0, 0.4))
        parts.append(stroke(lines[-1], at, colours[side], 2.6, 1.0))
    parts.append(f'<text x="{left + width:.1f}" y="{HEIGHT - 5}" text-anchor="end">{esc(name)}</text>')
    return "".join(parts)


def stroke(
    line: Points, at: Callable[[float, float], tuple[float, float]], colour: str, width: float, opacity: float
) -> str:
    path = "L".join("{:.1f} {:.1f}".format(*at(x, y)) for x, y in line)
    return (
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}" opacity="{opacity}" '
        'stroke-linejoin="round"/>'
    )
