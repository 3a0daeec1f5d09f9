"""Amounts that add up: wall time, device-hours, tokens, energy and money."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from grpo.track.loose import number, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What some piece of work used."""

    wall_seconds: float = 0.0
    device_hours: float = 0.0
    tokens_sampled: int = 0
    """Completion tokens."""
    tokens_prompted: int = 0
    """Prompt tokens, once for each completion."""
    tokens_trained: int = 0
    energy_joules: float | None = 0.0
    """None: not measured for all of it, see `energy_missing`."""
    energy_missing: str | None = None
    amount: float | None = 0.0
    """Money; None: not all of it has a price."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            wall_seconds=self.wall_seconds + other.wall_seconds,
            device_hours=self.device_hours + other.device_hours,
            tokens_sampled=self.tokens_sampled + other.tokens_sampled,
            tokens_prompted=self.tokens_prompted + other.tokens_prompted,
            tokens_trained=self.tokens_trained + other.tokens_trained,
            energy_joules=_both(self.energy_joules, other.energy_joules),
            energy_missing=self.energy_missing or other.energy_missing,
            amount=_both(self.amount, other.amount),
        )

    def entry(self) -> dict[str, Any]:
        """For `summary.json`."""
        return asdict(self)


def total(usages: Iterable[Usage]) -> Usage:
    """Their sum."""
    return sum(usages, Usage())


def usage_from(entry: Mapping[str, Any]) -> Usage | None:
    """What `Usage.entry` wrote; None when it is not that."""
    hours, wall = number(entry.get("device_hours")), number(entry.get("wall_seconds"))
    if hours is None or wall is None or hours < 0 or wall < 0:
        return None
    return Usage(
        wall_seconds=wall,
        device_hours=hours,
        tokens_sampled=_count(entry.get("tokens_sampled")),
        tokens_prompted=_count(entry.get("tokens_prompted")),
        tokens_trained=_count(entry.get("tokens_trained")),
        energy_joules=number(entry.get("energy_joules")),
        energy_missing=text(entry.get("energy_missing")) or None,
        amount=number(entry.get("amount")),
    )


def _both(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _count(value: object) -> int:
    return int(number(value) or 0)
