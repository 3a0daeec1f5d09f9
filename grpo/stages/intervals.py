"""95 % intervals for shares, and for the gain between two evaluations of the same problems."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from grpo.run.random import derive_seed

Z = 1.959963984540054
"""97.5 % point of the normal distribution."""


def wilson(successes: float, trials: int) -> tuple[float, float]:
    """Wilson's score interval (Wilson 1927) for a share of `trials` independent yes/no outcomes."""
    if trials <= 0:
        raise ValueError(f"an interval needs at least one trial, got {trials}")
    share = successes / trials
    centre = (share + Z * Z / (2 * trials)) / (1 + Z * Z / trials)
    spread = Z / (1 + Z * Z / trials) * math.sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    return max(0.0, centre - spread), min(1.0, centre + spread)


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Normal interval for the mean of independent values, each the mean over one problem's samples."""
    centre = math.fsum(values) / len(values)
    if len(values) < 2:
        return centre, centre
    variance = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    spread = Z * math.sqrt(variance / len(values))
    return centre - spread, centre + spread


def paired_gain(before: Sequence[float], after: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Mean gain over the same problems and its interval; raises ValueError when the counts differ."""
    if len(before) != len(after) or not before:
        raise ValueError(f"paired evaluations need the same problems, got {len(before)} and {len(after)}")
    gains = [b - a for a, b in zip(before, after, strict=True)]
    return math.fsum(gains) / len(gains), mean_interval(gains)


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Unbiased estimate that at least one of k samples is right (Chen et al. 2021, arXiv 2107.03374, eq. 1)."""
    if not 1 <= k <= samples:
        raise ValueError(f"k must be from 1 to the {samples} samples, got {k}")
    if samples - right < k:
        return 1.0
    return 1.0 - math.prod(1.0 - k / n for n in range(samples - right + 1, samples + 1))


RESAMPLES = 4000
"""Bootstrap samples: the ends of a 95 % interval are then off by about 2 % of its width."""
RESAMPLED_AT_ONCE = 2**22
"""Problems drawn at once: 32 MiB."""


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float]:
    """Percentile bootstrap over problems for the mean of `values`, one per problem (Efron 1979), 95 %.

    Keyed by how many problems there are: the same values give the same interval, and figures of the same problems are
    resampled alike.
    """
    count = len(values)
    if count == 0:
        raise ValueError("an interval needs at least one value")
    rng = np.random.Generator(np.random.PCG64(derive_seed("bootstrap", count)))
    known = np.asarray(values, dtype=np.float64)
    at_once = max(1, RESAMPLED_AT_ONCE // count)
    means = np.concatenate(
        [
            known[rng.integers(0, count, (min(at_once, RESAMPLES - first), count))].mean(axis=1)
            for first in range(0, RESAMPLES, at_once)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def share_interval(values: Sequence[float]) -> tuple[float, float]:
    """95 %: Wilson's where each problem's value is 0 or 1, else by bootstrap over the problems."""
    if all(value in (0.0, 1.0) for value in values):
        return wilson(math.fsum(values), len(values))
    return bootstrap_interval(values)
