"""Escaping and number formats. Every piece of a run's text passes through `esc` exactly once."""

from __future__ import annotations

import html
import unicodedata

MISSING = "\u2014"
"""Shown where a value is not known."""
_KEPT_CONTROLS = "\n\t"
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def esc(text: object) -> str:
    """Text for HTML content and quoted attributes.

    Invisible characters (control, direction, line separator, lone surrogate) are shown as their code
    point, so that they can neither break the page nor pretend to be other text.
    """
    shown = "".join(char if _is_plain(char) else f"\\u{ord(char):04x}" for char in str(text))
    return html.escape(shown, quote=True)


def _is_plain(char: str) -> bool:
    if char.isascii():
        return char.isprintable() or char in _KEPT_CONTROLS
    return unicodedata.category(char) not in _HIDDEN


def percent(value: float | None, digits: int = 1) -> str:
    """`54.3 %` from a share."""
    return MISSING if value is None else f"{100 * value:.{digits}f} %"


def figure(value: float | None) -> str:
    """About four significant digits, thousands separated, scientific when very small or large."""
    if value is None:
        return MISSING
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e9 or size < 1e-3:
        return f"{value:.2e}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def count(value: float | None) -> str:
    """`1,234,567`."""
    return MISSING if value is None else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """`2 h 05 min`, `3 min 20 s`, `4.2 s`."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(value: float | None) -> str:
    """`1.45 GiB` from bytes."""
    if value is None:
        return MISSING
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20)):
        if value >= scale:
            return f"{value / scale:.2f} {unit}"
    return f"{value / 1024:.0f} KiB"


def hours(value: float | None) -> str:
    """`1.250` device-hours; below 0.1 with four decimals."""
    if value is None:
        return MISSING
    return f"{value:,.3f}" if value >= 0.1 else f"{value:.4f}"


def money(value: float | None, currency: str) -> str:
    """`1.24 USD`; amounts below 1 keep four decimals."""
    if value is None:
        return MISSING
    shown = f"{value:,.2f}" if value >= 1 or value == 0 else f"{value:.4f}"
    return f"{shown} {currency}".strip()


def by_unit(value: float | None, unit: str) -> str:
    """A metric's value in its unit: shares as per cent."""
    if unit == "share":
        return percent(value)
    if unit == "bytes":
        return size(value)
    return figure(value)


def device_time(hours_used: float | None) -> str:
    """Device-hours as a time: `0.566 s`, `1 min 12 s`, `2 h 05 min`, from 100 on `147,336 h`."""
    if hours_used is None:
        return MISSING
    if hours_used >= 100:
        return f"{hours_used:,.0f} h"
    seconds = 3600 * hours_used
    return duration(seconds) if seconds >= 1 else f"{seconds:.3g} s"


def reward(value: float | None) -> str:
    """A mean reward: three decimals, as many figures where it is large."""
    if value is None:
        return MISSING
    return f"{value:.3f}" if abs(value) < 1000 else figure(value)
