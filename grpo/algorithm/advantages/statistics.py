"""Sums that do not depend on order, and the one convention for spreads.

Every standard deviation divides by n - 1 (Bessel), and STD_FLOOR is added before anything is divided by it: torch's and
TRL's convention. The papers state neither.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

STD_FLOOR = 1e-4
"""Added to a standard deviation before dividing by it."""


def centred(values: Sequence[float]) -> list[float]:
    """v - mean(v), the sum rounded once; exactly 0 where all values are equal, whatever rounding does to the mean."""
    if not values or all(value == values[0] for value in values):
        return [0.0] * len(values)
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def spread(deviations: Sequence[float]) -> float:
    """The standard deviation, of values about their mean, plus STD_FLOOR; of fewer than two values the floor alone."""
    if len(deviations) < 2:
        return STD_FLOOR
    return math.sqrt(math.fsum(value * value for value in deviations) / (len(deviations) - 1)) + STD_FLOOR
