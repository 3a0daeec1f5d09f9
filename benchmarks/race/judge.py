"""From the runs to the bar: how soon ours is as good as TRL is in the end."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

ALLOWED = 0.6
"""Of TRL's wall-clock time."""
WINDOW = 5
"""Steps whose mean training accuracy counts: a single step of 256 completions is noise."""


def last_accuracy(points: Sequence[Mapping[str, float]], steps: int) -> float:
    """Mean training accuracy of the last `WINDOW` steps of the budget."""
    return statistics.fmean(point["accuracy"] for point in points[max(0, steps - WINDOW) : steps])


def reached(points: Sequence[Mapping[str, float]], accuracy: float, window: int = WINDOW) -> Mapping[str, float] | None:
    """The first step with which the mean over `window` steps is at least `accuracy`; None when there is none."""
    for end in range(window, len(points) + 1):
        if statistics.fmean(point["accuracy"] for point in points[end - window : end]) >= accuracy:
            return points[end - 1]
    return None


def race(ours: Sequence[Mapping[str, float]], trl: Sequence[Mapping[str, float]], steps: int) -> dict[str, Any]:
    """One seed: TRL's final accuracy, its seconds, and when ours was there."""
    target, total = last_accuracy(trl, steps), trl[steps - 1]["seconds"]
    window = min(WINDOW, steps)
    there, itself = reached(ours, target, window), reached(trl[:steps], target, window)
    assert itself is not None, target  # its last window is one of those
    return {
        "target": target,
        "trl_seconds": total,
        "trl_reached_seconds": itself["seconds"],
        "ours_last": last_accuracy(ours, steps),
        "ours_budget_seconds": ours[steps - 1]["seconds"],
        "reached_step": None if there is None else int(there["step"]),
        "reached_seconds": None if there is None else there["seconds"],
        "ratio": None if there is None else there["seconds"] / total,
        "ratio_to_reached": None if there is None or itself["seconds"] == 0 else there["seconds"] / itself["seconds"],
        "budget_ratio": ours[steps - 1]["seconds"] / total,
    }


def verdict(races: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The median over seeds; a seed that never got there is later than all others."""
    ratios = [math.inf if one["ratio"] is None else one["ratio"] for one in races.values()]
    middle = statistics.median(ratios) if ratios else math.inf
    return {
        "allowed": ALLOWED,
        "median_ratio": middle if math.isfinite(middle) else None,
        "met": middle <= ALLOWED,
        "seeds": dict(races),
    }


def best_rate(runs: Mapping[float, Mapping[str, Any]]) -> float:
    """The learning rate with the highest held-out sampled accuracy at the end; of equals the smaller one."""
    return max(sorted(runs), key=lambda lr: runs[lr]["held_out"][-1]["sampled"])


def seconds_a_step(points: Sequence[Mapping[str, float]]) -> float:
    """Mean of all steps but the first."""
    return points[-1]["seconds"] / (len(points) - 1)
