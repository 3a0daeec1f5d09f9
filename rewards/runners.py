"""The places where a reward function can run: here, in a thread with a deadline, or in a worker process."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from typing import Protocol

from grpo.rewards.call import CallRequest, CallResult, RewardCallError, RewardDeadlineError, Signature, invoke
from grpo.rewards.process import WorkerProcess
from grpo.rewards.registry import REGISTERED, RewardFunction, Settings, resolve


class Runner(Protocol):
    """Where one function runs."""

    name: str
    signature: Signature

    def ensure_ready(self) -> None: ...

    def call(self, request: CallRequest, deadline_seconds: float) -> CallResult: ...

    def close(self) -> None: ...


class DirectRunner:
    """Calls one of the project's own functions, whose work is bounded by the length of the text, on the spot."""

    def __init__(self, name: str, function: RewardFunction) -> None:
        self.name = name
        self.signature = Signature.of(function)
        self._function = function

    def ensure_ready(self) -> None:
        """Nothing to start."""

    def call(self, request: CallRequest, deadline_seconds: float) -> CallResult:
        return invoke(self._function, self.signature, request)

    def close(self) -> None:
        """Nothing to end."""


class InProcessOverrunError(RewardDeadlineError):
    """A function running inside the trainer cannot be stopped, so its overrun ends the run."""


class ThreadRunner(DirectRunner):
    """Calls a user's function in a thread of this process, for closures and models that live here."""

    def __init__(self, name: str, function: RewardFunction) -> None:
        super().__init__(name, function)
        self._loop = asyncio.Runner()

    def call(self, request: CallRequest, deadline_seconds: float) -> CallResult:
        """Raises `InProcessOverrunError` when the deadline passes; the thread is left behind."""
        done: queue.SimpleQueue[CallResult | RewardCallError] = queue.SimpleQueue()

        def work() -> None:
            try:
                done.put(invoke(self._function, self.signature, request, self._loop.run))
            except RewardCallError as error:
                done.put(error)

        threading.Thread(target=work, name=f"reward {self.name}", daemon=True).start()
        try:
            result = done.get(timeout=deadline_seconds)
        except queue.Empty:
            raise InProcessOverrunError(
                f"reward {self.name!r} took longer than {deadline_seconds:g} s inside this process, where it cannot "
                "be stopped; raise reward.deadline_seconds or set reward.in_process=false"
            ) from None
        if isinstance(result, RewardCallError):
            raise result
        return result

    def close(self) -> None:
        """Close the event loop, unless a call that overran still runs in it."""
        with contextlib.suppress(RuntimeError):
            self._loop.close()


def runner_for(name: str, settings: Settings, *, in_process: bool) -> Runner:
    """Registered functions run here; a user's in a worker process, or in a thread with `in_process`.

    Raises:
        ValueError: the name or a setting is unknown, or the worker could not import it.
    """
    if name in REGISTERED:
        return DirectRunner(name, resolve(name, settings))
    if in_process:
        return ThreadRunner(name, resolve(name, settings))
    return WorkerProcess(name, settings)
