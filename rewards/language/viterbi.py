"""The most likely language of each word, when languages seldom change within a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from grpo.rewards.language.words import Gap

SWITCH_COST = {Gap.NONE: 9.0, Gap.CLAUSE: 5.0, Gap.SENTENCE: 2.0}
"""Nats that a change of language costs, by what stands between two words."""


def best_path(scores: Sequence[Sequence[float]], gaps: Sequence[Gap]) -> list[int]:
    """Index of the language of each word.

    Args:
        scores: (N words, L languages) log-likelihoods.
        gaps: (N,) boundary before each word; the first is ignored.
    """
    if not scores:
        return []
    states = range(len(scores[0]))
    best = list(scores[0])
    came_from: list[list[int]] = []
    for row, gap in zip(scores[1:], gaps[1:], strict=True):
        leader = max(states, key=best.__getitem__)
        floor = best[leader] - SWITCH_COST[gap]
        came_from.append([state if best[state] >= floor else leader for state in states])
        best = [max(best[state], floor) + row[state] for state in states]
    state = max(states, key=best.__getitem__)
    path = [state]
    for sources in reversed(came_from):
        state = sources[state]
        path.append(state)
    return path[::-1]
