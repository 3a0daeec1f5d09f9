"""What the pictures of the learning benchmarks share."""

from __future__ import annotations

from collections.abc import Sequence

from grpo.report.text import esc

LEFT = 48
"""Room for the numbers of the first vertical axis, px; title and legend begin here."""
INK, GRID = "#768390", "#76839040"
WINDOW = 5
"""Steps whose mean is drawn."""
Key = tuple[str, str]
"""Colour and name of a side."""


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
