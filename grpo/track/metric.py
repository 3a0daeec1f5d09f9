"""What a metric is; `names.py` has them all."""

from __future__ import annotations

from dataclasses import dataclass

PLACEHOLDER = "<name>"
"""Stands for a reward function's name in `Metric.name`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `unit` is empty for pure numbers."""

    name: str
    unit: str
    meaning: str
    """One sentence: what it measures."""
    good: str = ""
    """One sentence for a newcomer: what a healthy run looks like."""
    timed: bool = False
    """Depends on the machine, not on the seed: exempt from bit-identity on resume."""
