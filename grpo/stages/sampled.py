"""Groups as they were sampled and scored, and what of their scores decides whether they are learnt from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grpo.track.records import Cells
from grpo.types import Group, Problem, Score

PASSED = 1.0
"""Least value of the first reward function that counts as a right answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledGroups:
    """P complete groups of G completions, the same in every field."""

    problems: tuple[Problem, ...]
    groups: tuple[Group, ...]
    scores: tuple[tuple[Score, ...], ...]
    """(P, G)."""
    extra: tuple[tuple[Cells, ...], ...]
    """(P, G): what reward functions gave to `log_extra`."""
    logged: Mapping[str, float]
    """Means of what reward functions gave to `log_metric`."""

    def only(self, places: Sequence[int]) -> SampledGroups:
        """The groups at these places; `logged` stays that of all."""
        return SampledGroups(
            problems=tuple(self.problems[place] for place in places),
            groups=tuple(self.groups[place] for place in places),
            scores=tuple(self.scores[place] for place in places),
            extra=tuple(self.extra[place] for place in places),
            logged=self.logged,
        )

    @property
    def tokens(self) -> int:
        """Completion tokens."""
        return sum(len(one.token_ids) for group in self.groups for one in group.completions)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens, once for each completion."""
        return sum(len(group.prompt.token_ids) * len(group.completions) for group in self.groups)


def joined(parts: Sequence[SampledGroups]) -> SampledGroups:
    """All groups of a step's samplings; what functions logged is averaged over the samplings, by completions."""
    if len(parts) == 1:
        return parts[0]
    return SampledGroups(
        problems=tuple(one for part in parts for one in part.problems),
        groups=tuple(one for part in parts for one in part.groups),
        scores=tuple(one for part in parts for one in part.scores),
        extra=tuple(one for part in parts for one in part.extra),
        logged=_mean_logged(parts),
    )


def rewards_differ(scores: Sequence[Score]) -> bool:
    """Whether two completions of a group have different totals; those without a total do not count."""
    return len({score.total for score in scores if score.total is not None}) > 1


def passed_share(scores: Sequence[Score]) -> float | None:
    """Share of a group's completions that are right: the first reward function gave PASSED or more.

    Completions to which it gave no value do not count; None when there are no others.
    """
    values = [value for score in scores if (value := score.parts[0]) is not None]
    return sum(value >= PASSED for value in values) / len(values) if values else None


def _mean_logged(parts: Sequence[SampledGroups]) -> dict[str, float]:
    found: dict[str, list[tuple[float, int]]] = {}
    for part in parts:
        weight = sum(len(row) for row in part.scores)
        for name, value in part.logged.items():
            found.setdefault(name, []).append((value, weight))
    return {
        name: math.fsum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs)
        for name, pairs in found.items()
    }
