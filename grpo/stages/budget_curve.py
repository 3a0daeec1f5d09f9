"""Accuracy over tokens of thinking: points, s1's three measures of a curve, and what twice the budget brings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from grpo.stages.intervals import paired_gain, share_interval

APART = 1.0
"""Mean tokens between two points that have a slope: where a larger budget cuts hardly anything more, points all but
coincide, and what little lies between them, divided by next to nothing, would outweigh every other pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Every held-out problem under one budget and number of waits."""

    budget: int
    waits: int
    """Most waits."""
    correct: tuple[float, ...]
    """(problems,): share of the samples that are right."""
    thinking: tuple[int, ...]
    """(completions,): tokens of thinking, forced ones included, the end of thinking not."""
    forced: int
    """Completions whose budget was spent."""
    waited: int
    """Waits that were appended, over all completions."""

    @property
    def accuracy(self) -> float:
        return sum(self.correct) / len(self.correct)

    @property
    def tokens(self) -> float:
        """Mean tokens of thinking."""
        return sum(self.thinking) / len(self.thinking)

    @property
    def controlled(self) -> float:
        """Share of the completions that think for no more than the budget."""
        return sum(tokens <= self.budget for tokens in self.thinking) / len(self.thinking)

    def summary(self) -> dict[str, object]:
        count = len(self.thinking)
        return {
            "budget": self.budget,
            "waits": self.waits,
            "accuracy": self.accuracy,
            "ci95": list(share_interval(self.correct)),
            "thinking_tokens": self.tokens,
            "forced": self.forced / count,
            "waits_appended": self.waited / count,
        }


def scaling(points: Sequence[Point]) -> float | None:
    """s1's Scaling: mean slope over all pairs of points, in accuracy points per 1,000 tokens of thinking.

    Pairs less than `APART` from each other have no slope; None where there is no other.
    """
    slopes = [
        100 * (after.accuracy - before.accuracy) / (after.tokens - before.tokens) * 1000
        for before, after in itertools.combinations(points, 2)
        if abs(after.tokens - before.tokens) >= APART
    ]
    return sum(slopes) / len(slopes) if slopes else None


def curve(points: Sequence[Point]) -> dict[str, object]:
    """s1's measures (arXiv 2501.19393, section 3.2) of the points with one number of waits.

    Control is the share of completions inside their budget, Performance the highest accuracy.
    """
    return {
        "waits": points[0].waits,
        "control": sum(point.controlled for point in points) / len(points),
        "scaling": scaling(points),
        "performance": max(point.accuracy for point in points),
    }


def comparison(before: Point, after: Point) -> dict[str, object]:
    """The paired gain between two points, and whether it can be told from 0."""
    gain, (low, high) = paired_gain(before.correct, after.correct)
    return {
        "from": {"budget": before.budget, "waits": before.waits},
        "to": {"budget": after.budget, "waits": after.waits},
        "gain": gain,
        "ci95": [low, high],
        "measurable": low > 0 or high < 0,
    }


def doublings(points: Sequence[Point]) -> list[dict[str, object]]:
    """Each budget against the next one that is at least twice as large, with as many waits.

    Left out where one wait less gave the very same completions: nothing new was measured.
    """
    found: dict[tuple[object, ...], dict[str, object]] = {}
    for before in sorted(points, key=lambda one: (one.waits, one.budget)):
        larger = [one for one in points if one.waits == before.waits and one.budget >= 2 * before.budget]
        if larger:
            after = min(larger, key=lambda one: one.budget)
            same = tuple((one.budget, one.correct, one.thinking, one.waited) for one in (before, after))
            found.setdefault(same, comparison(before, after))
    return list(found.values())


def extensions(points: Sequence[Point]) -> list[dict[str, object]]:
    """Waits against none, at the largest budget."""
    largest = [one for one in points if one.budget == max(point.budget for point in points)]
    plain = next(one for one in largest if one.waits == 0)
    return [comparison(plain, one) for one in largest if one.waits > 0]


def summary(points: Sequence[Point]) -> dict[str, object]:
    """Points, curves and comparisons, as they go to `summary.json`."""
    waits = sorted({point.waits for point in points})
    return {
        "points": [point.summary() for point in points],
        "curves": [curve([point for point in points if point.waits == number]) for number in waits],
        "doublings": doublings(points),
        "extensions": extensions(points),
    }
