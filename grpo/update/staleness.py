"""How old completions are when they are learnt from, and leaving out those that are too old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grpo.algorithm.advantages import Advantage
from grpo.types import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class StalenessBound:
    """Weight versions count rollout steps, each of several optimizer steps; staleness counts optimizer steps."""

    most: int
    """Most optimizer steps between the weights that sampled a completion and those that learn from it."""
    optimizer_steps: int
    """Of one rollout step."""

    def age(self, version: int, now: int) -> int:
        """Staleness at the last optimizer step of a rollout step that begins with weights `now`.

        Weights `version` are `optimizer_steps` optimizer steps older for each version between, and the last
        optimizer step learns with weights `optimizer_steps` - 1 steps newer than `now`. A rollout step with fewer
        groups than optimizer steps takes fewer: then this is an upper bound.
        """
        assert 0 <= version <= now, (version, now)
        return (now - version) * self.optimizer_steps + self.optimizer_steps - 1


def without_stale(
    groups: Sequence[Group], advantages: Sequence[Sequence[Advantage | None]], now: int, bound: StalenessBound
) -> tuple[list[list[Advantage | None]], dict[str, float]]:
    """Advantages with None for completions older than the bound, and the metrics of staleness.

    The rewards of what is left out have counted in its group's baseline. `now` is the version of the weights that the
    rollout step begins with.
    """
    ages = [[bound.age(c.weight_version, now) for c in group.completions] for group in groups]
    kept = [
        [value if age <= bound.most else None for value, age in zip(values, row, strict=True)]
        for values, row in zip(advantages, ages, strict=True)
    ]
    flat = [age for row in ages for age in row]
    return kept, {
        "staleness/max": float(max(flat, default=0)),
        "staleness/dropped": float(sum(age > bound.most for age in flat)),
    }
