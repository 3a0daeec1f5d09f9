"""The function that is tried, in the worker process that the trainer would run it in."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from grpo.rewards.call import CallRequest, CallResult, Outcome, columns_for
from grpo.rewards.check.threads import FromThreads
from grpo.rewards.process import WorkerProcess
from grpo.types import RewardItem

THREADS = 8
THREADED = f"{FromThreads.__module__}.{FromThreads.__qualname__}"


class Subject:
    """Calls the function as the suite does, each call under the deadline."""

    def __init__(self, name: str, settings: Mapping[str, Any], deadline_seconds: float) -> None:
        """Start the worker.

        Raises:
            ValueError: the function cannot be loaded; the message has its own traceback.
            RewardDeadlineError: loading took too long.
        """
        started = time.monotonic()
        self._worker = WorkerProcess(name, settings)
        self.load_seconds = time.monotonic() - started
        self.name = name
        self.settings = dict(settings)
        self.signature = self._worker.signature
        self.deadline_seconds = deadline_seconds

    def score(self, items: Sequence[RewardItem]) -> CallResult:
        """One call with all items, or one for each problem where the function wants whole groups.

        Raises:
            ValueError: the data lacks a column, or has one that cannot reach the worker.
            RewardCallError: the function raised, overran, died or returned the wrong thing.
        """
        spans = [list(items)]
        if self.signature.per_group:
            spans = [list(group) for _, group in itertools.groupby(items, key=lambda item: item.problem.id)]
        outcomes: list[Outcome] = []
        metrics: list[tuple[str, float]] = []
        for span in spans:
            columns = columns_for(span, self.signature, self.name)
            request = CallRequest(columns=columns, count=len(span), step=0)
            result = self._worker.call(request, self.deadline_seconds)
            outcomes += result.outcomes
            metrics += result.metrics
        return CallResult(outcomes=tuple(outcomes), metrics=tuple(metrics))

    def again(self) -> Subject:
        """The same function in another process."""
        return Subject(self.name, self.settings, self.deadline_seconds)

    def from_threads(self, repeats: int) -> Subject:
        """Its agreement with itself when called from several threads, as a function of its own; see `FromThreads`."""
        settings = {"name": self.name, "settings": self.settings, "threads": THREADS, "repeats": repeats}
        return Subject(THREADED, settings, self.deadline_seconds * THREADS)

    def close(self) -> None:
        """End the worker."""
        self._worker.close()
