"""Calls a reward function from several threads at once, inside the worker process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from grpo.rewards.call import CallRequest, CallResult, RewardCallError, Signature, invoke
from grpo.rewards.registry import resolve

SWITCH_SECONDS = 1e-5
"""How often the interpreter changes threads meanwhile; Python's default of 5 ms hides most races."""


class FromThreads:
    """A reward that gives 1.0 where all threads agree with a call alone, else 0.0."""

    def __init__(
        self, *, name: str, settings: Mapping[str, Any] = MappingProxyType({}), threads: int = 8, repeats: int = 1
    ) -> None:
        """Load the function once; `repeats` calls in each thread."""
        self._function = resolve(name, settings)
        self._signature = Signature.of(self._function)
        self._threads = threads
        self._repeats = repeats

    def __call__(self, **columns: Any) -> list[float]:
        """Compare.

        Raises:
            RewardCallError: the function failed in a thread.
        """
        wanted = {name: cells for name, cells in columns.items() if self._takes(name)}
        request = CallRequest(columns=wanted, count=len(columns["completions"]), step=0)
        alone = self._call(request)
        results: list[CallResult | RewardCallError] = []
        together = threading.Barrier(self._threads)

        def work() -> None:
            together.wait()
            for _ in range(self._repeats):
                try:
                    results.append(self._call(request))
                except RewardCallError as error:
                    results.append(error)

        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            threads = [threading.Thread(target=work) for _ in range(self._threads)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(before)
        return self._agreement(alone, results)

    def _agreement(self, alone: CallResult, results: list[CallResult | RewardCallError]) -> list[float]:
        same = [True] * len(alone.outcomes)
        for result in results:
            if isinstance(result, RewardCallError):
                raise result
            for index, (one, other) in enumerate(zip(alone.outcomes, result.outcomes, strict=True)):
                same[index] &= one.value == other.value and (one.error is None) == (other.error is None)
        return [float(agrees) for agrees in same]

    def _call(self, request: CallRequest) -> CallResult:
        return invoke(self._function, self._signature, request)

    def _takes(self, name: str) -> bool:
        return self._signature.takes_any or name in self._signature.names
