"""The most likely language of each word, when languages seldom change within a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from grpo.rewards.language.words import Gap

SWITCH_COST = {Gap.NONE: 5.0, Gap.CLAUSE: 3.5, Gap.SENTENCE: 2.0}
"""Nats that a change of language costs, by what stands between two words."""
RARITY_SCALE = 1.5
RARITY_FLOOR = 0.05
"""A change to a language that has a share p of the text costs `-RARITY_SCALE * log(p + RARITY_FLOOR)` nats more."""


def best_path(scores: Sequence[Sequence[float]], gaps: Sequence[Gap]) -> list[int]:
    """Index of the language of each word.

    A first pass, to which all languages are alike, finds the share of each in the text; in the second a language is
    the harder to change to the rarer it is, so that a name does not bring in a language of its own. A language that the
    first pass does not find is left out of the second.

    Args:
        scores: (N words, L languages) log-likelihoods.
        gaps: (N,) boundary before each word; the first is ignored.
    """
    if not scores:
        return []
    first = _best_path(scores, gaps, [0.0] * len(scores[0]))
    present = sorted(set(first))
    if len(present) == 1:
        return first
    entry_costs = [-RARITY_SCALE * math.log(first.count(state) / len(first) + RARITY_FLOOR) for state in present]
    second = _best_path([[row[state] for state in present] for row in scores], gaps, entry_costs)
    return [present[state] for state in second]


def _best_path(scores: Sequence[Sequence[float]], gaps: Sequence[Gap], entry_costs: Sequence[float]) -> list[int]:
    states = range(len(entry_costs))
    best = [score - cost for score, cost in zip(scores[0], entry_costs, strict=True)]
    came_from: list[list[int]] = []
    for row, gap in zip(scores[1:], gaps[1:], strict=True):
        leader = max(states, key=best.__getitem__)
        entry = best[leader] - SWITCH_COST[gap]
        sources: list[int] = []
        for state in states:
            if best[state] >= entry - entry_costs[state]:
                sources.append(state)
            else:
                sources.append(leader)
                best[state] = entry - entry_costs[state]
            best[state] += row[state]
        came_from.append(sources)
    state = max(states, key=best.__getitem__)
    path = [state]
    for sources in reversed(came_from):
        state = sources[state]
        path.append(state)
    return path[::-1]
