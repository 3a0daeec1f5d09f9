"""The weighted sum of reward functions over the groups of a step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from grpo.rewards.call import Outcome
from grpo.rewards.names import labels_of
from grpo.rewards.part import Counters, PartResult, RewardPart
from grpo.rewards.registry import Settings
from grpo.rewards.runners import runner_for
from grpo.types import RewardItem, Score

MAX_ERROR_CHARACTERS = 500
"""Longer reasons are cut in a `Score`."""


class RewardErrorShareError(RuntimeError):
    """More completions than allowed could not be scored: the rewards are broken, not the policy."""


class RewardSuite:
    """Calls each function once per batch, checks what it returns, and adds the parts up.

    A function that raises, overruns or returns the wrong thing gives *errors*, never zeros. See `build_suite`.
    """

    def __init__(self, parts: Sequence[RewardPart], max_error_share: float) -> None:
        self._parts = tuple(parts)
        self._max_error_share = max_error_share
        self.names = tuple(part.name for part in self._parts)
        self.labels = labels_of(self.names)
        self.metrics: dict[str, float] = {}
        self.extra: dict[str, list[Any]] = {}

    @property
    def counters(self) -> Mapping[str, Counters]:
        """Label to calls, errors and seconds since the suite was built."""
        return {label: part.counters for label, part in zip(self.labels, self._parts, strict=True)}

    def score(self, items: Sequence[Sequence[RewardItem]], step: int = 0) -> list[list[Score]]:
        """Score groups of completions; `Score.parts` is in the order of `labels`.

        Afterwards `metrics` has the means of what functions gave to `log_metric` in this call, and `extra` the
        columns of `log_extra`, one value per completion, flat and in order.

        Raises:
            ValueError: the data lacks a column that a function requires, or has one that cannot reach its worker.
            RewardErrorShareError: more than `max_error_share` of the completions could not be scored.
            RewardCallError: a killed worker does not start again.
            InProcessOverrunError: a function inside this process passed its deadline.
        """
        flat = [item for group in items for item in group]
        ends = list(itertools.accumulate(len(group) for group in items))
        groups = [range(end - len(group), end) for group, end in zip(items, ends, strict=True)]
        occupied = [group for group in groups if group]
        results = [part.evaluate(flat, occupied, step) for part in self._parts] if flat else []
        self._collect_logs(results)
        scores = [self._sum([result.outcomes[index] for result in results]) for index in range(len(flat))]
        self._check_error_share(scores)
        return [[scores[index] for index in group] for group in groups]

    def close(self) -> None:
        """End the worker processes."""
        for part in self._parts:
            part.runner.close()

    def _sum(self, outcomes: Sequence[Outcome]) -> Score:
        values = tuple(outcome.value for outcome in outcomes)
        labelled = zip(self.labels, outcomes, strict=True)
        reasons = [f"{label}: {outcome.error}" for label, outcome in labelled if outcome.error is not None]
        if reasons:
            return Score(total=None, parts=values, error="; ".join(reasons)[:MAX_ERROR_CHARACTERS])
        weighted = (part.weight * value for part, value in zip(self._parts, values, strict=True) if value is not None)
        total = math.fsum(weighted)
        if not math.isfinite(total):
            return Score(total=None, parts=values, error=f"the weighted sum of {values} is {total}")
        return Score(total=total, parts=values)

    def _collect_logs(self, results: Sequence[PartResult]) -> None:
        self.metrics = {
            name: math.fsum(values) / len(values) for result in results for name, values in result.metrics.items()
        }
        self.extra = {column: values for result in results for column, values in result.extra.items()}

    def _check_error_share(self, scores: Sequence[Score]) -> None:
        reasons = [score.error for score in scores if score.error is not None]
        if len(reasons) > self._max_error_share * len(scores):
            examples = "\n".join(f"  {reason}" for reason in list(dict.fromkeys(reasons))[:3])
            raise RewardErrorShareError(
                f"{len(reasons)} of {len(scores)} completions could not be scored, more than "
                f"reward.max_error_share={self._max_error_share:g}:\n{examples}"
            )


def build_suite(
    functions: Sequence[str],
    weights: Sequence[float],
    deadline_seconds: float = 60.0,
    in_process: bool = False,
    max_error_share: float = 1.0,
    settings: Mapping[str, Settings] = MappingProxyType({}),
) -> RewardSuite:
    """Import every function, start a worker for each of the user's, and check the numbers.

    `settings` gives keyword arguments of a function or class by its label, see `labels_of`.

    Raises:
        ValueError: no functions, as many weights as functions are not given, a name occurs twice or cannot be
            loaded, a setting is unknown, or a number is out of range.
    """
    _check_numbers(functions, weights, deadline_seconds, max_error_share)
    labels = labels_of(functions)
    for label in settings:
        if label not in labels:
            raise ValueError(f"reward.settings.{label}: no such reward; valid are {', '.join(labels)}")
    parts: list[RewardPart] = []
    try:
        for name, label, weight in zip(functions, labels, weights, strict=True):
            runner = runner_for(name, settings.get(label) or {}, in_process=in_process)
            parts.append(RewardPart(runner, float(weight), deadline_seconds))
    except BaseException:
        for part in parts:
            part.runner.close()
        raise
    return RewardSuite(parts, max_error_share)


def _check_numbers(
    functions: Sequence[str], weights: Sequence[float], deadline_seconds: float, max_error_share: float
) -> None:
    if not functions or len(functions) != len(weights):
        raise ValueError(f"{len(functions)} reward.functions and {len(weights)} reward.weights: give one weight each")
    twice = sorted({name for name in functions if functions.count(name) > 1})
    if twice:
        raise ValueError(f"reward.functions names {', '.join(twice)} more than once; add up the weights instead")
    if not all(math.isfinite(weight) for weight in weights):
        raise ValueError(f"reward.weights {list(weights)} must be finite numbers")
    if not 0 < deadline_seconds < math.inf:
        raise ValueError(f"reward.deadline_seconds {deadline_seconds} must be positive")
    if not 0 <= max_error_share <= 1:
        raise ValueError(f"reward.max_error_share {max_error_share} must lie between 0 and 1")
