"""What several alarms ask of a series of numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from grpo.track.alarms.history import StageHistory

NOISE = 3.0
"""A change counts as more than noise from this many standard errors on: by chance once in about 700 looks."""
SOLVED = 0.9
"""From this mean of the first reward function on a task counts as solved: a sure policy is then what one wants."""
SOLVED_STEPS = 5
"""Latest steps that the mean is taken over."""


def latest(values: Sequence[float], steps: int) -> Sequence[float]:
    """The last `steps` values; nothing when there are fewer."""
    return values[-steps:] if len(values) >= steps else ()


def rise(before: Sequence[float], after: Sequence[float]) -> float:
    """By how many standard errors the mean went up: Welch's t, both with two values or more; negative for a fall.

    Infinite where the means differ and neither varies. A trend inside a window widens the error, so that it is
    never taken for a larger change than it is.
    """
    change = statistics.fmean(after) - statistics.fmean(before)
    error = math.sqrt(statistics.variance(before) / len(before) + statistics.variance(after) / len(after))
    if error == 0:
        return math.copysign(math.inf, change) if change else 0.0
    return change / error


def is_solved(stage: StageHistory) -> bool:
    """Whether the latest steps answer nearly everything right."""
    found = latest(stage.accuracy(), SOLVED_STEPS)
    return bool(found) and statistics.fmean(found) >= SOLVED
