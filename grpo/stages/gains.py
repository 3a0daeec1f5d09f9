"""Paired gains between evaluations of the same problems: from each to the next, and from the first to the last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.stages.intervals import paired_gain
from grpo.types import Problem

PROBLEMS_KEY = "problems"
MODES = ("sampled", "greedy")
"""How an evaluation answers, in the order of tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one evaluation got right."""

    stage: str
    problems: str
    """`problems_digest` of what it was asked; evaluations are compared where this is equal."""
    correct: Mapping[str, Sequence[float]]
    """Mode to each problem's share of right answers."""

    def entry(self) -> dict[str, Any]:
        """For `problems.json`; `from_entry` reads it."""
        return {PROBLEMS_KEY: self.problems, **{mode: list(values) for mode, values in self.correct.items()}}

    @classmethod
    def from_entry(cls, stage: str, entry: Mapping[str, Any]) -> Answered:
        """What `entry` gave."""
        correct = {mode: values for mode, values in entry.items() if mode != PROBLEMS_KEY}
        return cls(stage=stage, problems=str(entry.get(PROBLEMS_KEY, "")), correct=correct)


def problems_digest(problems: Sequence[Problem]) -> str:
    """SHA-256 (hex) of prompts and answers, in order."""
    hasher = hashlib.sha256()
    for problem in problems:
        hasher.update(repr((problem.prompt, problem.answer)).encode("utf-8", "backslashreplace") + b"\n")
    return hasher.hexdigest()


def gains(evaluations: Sequence[Answered]) -> list[dict[str, Any]]:
    """`eval_gain` of the summary: a pair of evaluations stands in it once for each mode.

    Args:
        evaluations: all so far, in the pipeline's order. Pairs are formed among those of the same problems.

    Each is compared with the one before it; where there are three or more, the last with the first as well. `whole`
    marks the pair of first and last, which with exactly two evaluations is the only one.
    """
    steps, whole = [], []
    for place, later in enumerate(evaluations):
        for mode in (one for one in MODES if one in later.correct):
            same = [one for one in evaluations if one.problems == later.problems and mode in one.correct]
            before = [one for one in evaluations[:place] if one in same]
            is_last = later is same[-1]
            if before:
                steps.append(_gain(before[-1], later, mode, is_last and len(same) == 2))
            if is_last and len(same) > 2:
                whole.append(_gain(same[0], later, mode, True))
    return steps + whole


def _gain(before: Answered, after: Answered, mode: str, whole: bool) -> dict[str, Any]:
    gain, ci95 = paired_gain(before.correct[mode], after.correct[mode])
    return {"from": before.stage, "to": after.stage, "mode": mode, "gain": gain, "ci95": list(ci95), "whole": whole}
