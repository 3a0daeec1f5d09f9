"""One reward function of a suite: its calls, their repetition after a failure, and its counters."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grpo.rewards.call import CallRequest, CallResult, Outcome, RewardCallError, columns_for
from grpo.rewards.runners import InProcessOverrunError, Runner
from grpo.types import RewardItem

RETRY_SHARE = 0.25
"""Part of the deadline that a repeated call gets, so that a few hanging completions do not take minutes each."""
RETRY_FLOOR_SECONDS = 1.0
"""A repeated call gets at least this, or the whole deadline where that is shorter."""
RETRY_BUDGET = 3.0
"""The repeated calls of one batch may take this many deadlines together."""


@dataclass(slots=True)
class Counters:
    """What one function did since the suite was built."""

    calls: int = 0
    """Batches and repetitions."""
    errors: int = 0
    """Completions that it could not score."""
    seconds: float = 0.0
    """Wall time of its calls."""


@dataclass(slots=True)
class PartResult:
    """What one function said about a batch."""

    outcomes: list[Outcome]
    """One per completion."""
    metrics: dict[str, list[float]] = field(default_factory=dict)
    """Name to the values given to `log_metric`."""
    extra: dict[str, list[Any]] = field(default_factory=dict)
    """Column to one value per completion, None where `log_extra` gave none."""


class RewardPart:
    """A function with its weight."""

    def __init__(self, runner: Runner, weight: float, deadline_seconds: float) -> None:
        self.name = runner.name
        self.weight = weight
        self.counters = Counters()
        self.runner = runner
        self._deadline_seconds = deadline_seconds

    def evaluate(self, items: Sequence[RewardItem], groups: Sequence[range], step: int) -> PartResult:
        """Score a batch in one call; when that fails, group by group, then item by item.

        A function marked `per_group` is called once per group and no finer. `groups` cut `range(len(items))` into
        runs. What fails to the end is an `Outcome` with an error.

        Raises:
            RewardCallError: the worker does not start again; InProcessOverrunError: see `ThreadRunner`.
            ValueError: the data lacks a column, or has one that cannot reach the worker.
        """
        result = PartResult(outcomes=[Outcome()] * len(items))
        batch = _Batch(items=items, step=step, result=result)
        whole, alone = [range(len(items))], [range(index, index + 1) for index in range(len(items))]
        first, *finer_levels = [groups] if self.runner.signature.per_group else [whole, groups, alone]
        if len(first) > 1:
            batch.seconds_left = self._deadline_seconds * RETRY_BUDGET
        failed = self._attempt(batch, first, self._deadline_seconds)
        retry_deadline = max(self._deadline_seconds * RETRY_SHARE, min(self._deadline_seconds, RETRY_FLOOR_SECONDS))
        batch.seconds_left = self._deadline_seconds * RETRY_BUDGET
        for level in finer_levels:
            if not failed:
                break
            covered = {index for span in failed for index in span}
            finer = [span for span in level if span.start in covered and span not in failed]
            as_fine_as_possible = {span: reason for span, reason in failed.items() if span in level}
            failed = as_fine_as_possible | self._attempt(batch, finer, retry_deadline)
        for span, reason in failed.items():
            for index in span:
                result.outcomes[index] = Outcome(error=reason)
        self.counters.errors += sum(outcome.error is not None for outcome in result.outcomes)
        return result

    def _attempt(self, batch: _Batch, spans: Sequence[range], deadline_seconds: float) -> dict[range, str]:
        """Call once per span, keep what comes back, and return the spans that failed with the reason."""
        failed: dict[range, str] = {}
        for span in spans:
            if batch.seconds_left <= 0:
                failed[span] = "not tried, earlier calls of this batch have used up its time"
                continue
            columns = columns_for(batch.items[span.start : span.stop], self.runner.signature, self.name)
            request = CallRequest(columns=columns, count=len(span), step=batch.step)
            self.runner.ensure_ready()  # outside the clock: a worker that imports slowly must not use up the budget
            started = time.monotonic()
            try:
                batch.keep(span, self.runner.call(request, min(deadline_seconds, batch.seconds_left)))
            except InProcessOverrunError:
                raise
            except RewardCallError as error:
                failed[span] = str(error)
            finally:
                seconds = time.monotonic() - started
                self.counters.calls += 1
                self.counters.seconds += seconds
                batch.seconds_left -= seconds
        return failed


@dataclass(slots=True)
class _Batch:
    items: Sequence[RewardItem]
    step: int
    result: PartResult
    seconds_left: float = float("inf")

    def keep(self, span: range, call: CallResult) -> None:
        self.result.outcomes[span.start : span.stop] = call.outcomes
        for name, value in call.metrics:
            self.result.metrics.setdefault(name, []).append(value)
        for column, values in call.extra.items():
            if len(values) == len(span):
                cells = self.result.extra.setdefault(column, [None] * len(self.items))
                cells[span.start : span.stop] = values
