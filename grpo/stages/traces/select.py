"""The choice of problems in s1 (arXiv 2501.19393): difficulty, then diversity. Quality is the filters' part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from grpo.run.random import python_random
from grpo.stages.traces.filters import failed, wrong
from grpo.stages.traces.sample import Sample
from grpo.types import Problem

DOMAIN = "domain"
"""Column with a problem's field; rows without one share a field."""
SOLVED_SHARE = 0.5
"""A problem is solved, and too easy, when at least this share of the student's answers is right. s1 drops what either
of two models answers rightly, at one try each."""


def solved(answers: Iterable[Sample], tries: int) -> set[str]:
    """Ids of the problems the student solves in `tries` answers each; one that is missing or failed is not right."""
    right = Counter(one.problem_id for one in answers if not failed(one) and not wrong(one))
    return {problem for problem, count in right.items() if count >= SOLVED_SHARE * tries}


def choose(problems: Sequence[Problem], lengths: Mapping[str, int], count: int, *keys: int | str) -> list[str]:
    """Ids of `count` problems (of all, when there are fewer), in the order of the draw.

    Each draw takes one of the domains that have problems left, all alike, and a problem in it: the one with the longest
    completion with probability 1/2, the next with 1/4, and so on, the last with what remains. s1 favours long ones too;
    the halving is ours.

    Args:
        lengths: problem id to tokens of its longest completion.
        keys: the run's seed and the stage.
    """
    rng = python_random(*keys, "select")
    left: dict[str, list[str]] = {}
    for problem in sorted(problems, key=lambda one: (-lengths[one.id], one.id)):
        left.setdefault(str(problem.columns.get(DOMAIN)), []).append(problem.id)
    chosen: list[str] = []
    while left and len(chosen) < count:
        domain = rng.choice(sorted(left))
        ranked, rank = left[domain], 0
        while rank < len(ranked) - 1 and rng.random() < 0.5:
            rank += 1
        chosen.append(ranked.pop(rank))
        if not ranked:
            del left[domain]
    return chosen
