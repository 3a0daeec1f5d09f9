"""What the reward functions after the first give on held-out problems, each mean with its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grpo.stages.intervals import share_interval
from grpo.types import Score


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardMean:
    """One reward function over the held-out problems."""

    name: str
    values: tuple[float, ...]
    """One per problem, the mean over its samples; at least one."""

    @property
    def mean(self) -> float:
        return math.fsum(self.values) / len(self.values)

    def summary(self) -> dict[str, object]:
        """An entry of `rewards` in `summary.json`: `n` problems, and an interval over their means."""
        return {"mean": self.mean, "ci95": list(share_interval(self.values)), "n": len(self.values)}


def reward_means(labels: Sequence[str], scores: Sequence[Sequence[Score]]) -> tuple[RewardMean, ...]:
    """Every function but the first, which is the accuracy; `scores` by problem and sample.

    A value that is None (does not apply, or failed) is left out, and so is a function without any.
    """
    found = []
    for place, label in enumerate(labels[1:], start=1):
        by_problem = [[score.parts[place] for score in samples] for samples in scores]
        given = [[value for value in values if value is not None] for values in by_problem]
        means = tuple(math.fsum(values) / len(values) for values in given if values)
        if means:
            found.append(RewardMean(name=label, values=means))
    return tuple(found)


def reward_metrics(means: Iterable[RewardMean]) -> dict[str, float]:
    """`eval/rewards/<name>` of each function, and the ends of its interval."""
    metrics: dict[str, float] = {}
    for one in means:
        low, high = share_interval(one.values)
        name = f"eval/rewards/{one.name}"
        metrics |= {name: one.mean, f"{name}_low": low, f"{name}_high": high}
    return metrics
