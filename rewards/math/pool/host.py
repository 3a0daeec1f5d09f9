"""The pool as a process sees it: started on first use, shared by its threads, ended with it."""

from __future__ import annotations

import atexit
import os
import threading
import weakref

from grpo.rewards.math.pool.batch import Batch, Work
from grpo.rewards.math.pool.control import PoolError, TemplateProcess, Worker
from grpo.rewards.math.pool.slots import Slot, Slots
from grpo.rewards.math.result import Result

CLOSED = "the verifier's pool is closed"
MAX_WORKERS = 4
MEMORY_BYTES = 1 << 30
"""Address space that a worker may map beyond what the template has."""


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


class Pool:
    """Up to `workers` worker processes around one judging function.

    Calls may come from any thread and several at once. The host's signals, handlers and timers are not touched. A fork
    of the host gets a pool of its own on first use.
    """

    def __init__(
        self,
        judge: str,
        *,
        workers: int | None = None,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        """`judge` is `module:function` with the signature of `grpo.rewards.math.judge.judge`; nothing starts yet.

        By default as many `workers` as cores, at most `MAX_WORKERS`.

        Raises:
            ValueError: `workers` is not at least 1.
        """
        if workers is not None and workers < 1:
            raise ValueError(f"workers {workers} must be at least 1")
        self._judge = judge
        self._workers = workers
        self._memory_bytes = memory_bytes
        self._reset()
        _POOLS.add(self)

    def _reset(self) -> None:
        self._slots: Slots | None = None
        self._lock = threading.Lock()
        self._template: TemplateProcess | None = None
        self._closed = False

    @property
    def slots(self) -> Slots:
        """Made on first use, for the cores that the process may use then."""
        with self._lock:
            if self._slots is None:
                self._slots = Slots(self._workers or min(MAX_WORKERS, usable_cores()))
            return self._slots

    def judge_all(self, work: Work) -> list[Result]:
        """One result per item, in order.

        Raises:
            PoolError: the pool was closed, or its processes do not start. Faults of items are results.
        """
        if self._closed:
            raise PoolError(CLOSED)
        return Batch(self, work).run() if work.items else []

    def start(self) -> None:
        """Import the verifier now, and not in the first call."""
        with self._lock:
            self._running_template()

    def close(self) -> None:
        """End all processes; calls that still run, and later ones, raise PoolError."""
        with self._lock:
            self._closed = True
            template, self._template = self._template, None
            if self._slots is not None:
                self._slots.empty()
        if template is not None:
            template.close()

    def hire(self, slot: Slot) -> Worker:
        """Fork a worker into an empty slot."""
        with self._lock:
            template = self._running_template()
            try:
                slot.worker = template.fork()
            except PoolError:
                template.close()  # it was killed: one new template, then give up
                self._template = None
                slot.worker = self._running_template().fork()
        return slot.worker

    def dismiss(self, slot: Slot) -> int | None:
        """Kill the slot's worker and empty the slot; see `Worker.end`."""
        worker, slot.worker = slot.worker, None
        return None if worker is None else worker.end()

    def _running_template(self) -> TemplateProcess:
        if self._closed:
            raise PoolError(CLOSED)
        if self._template is None:
            self._template = TemplateProcess(self._judge, self._memory_bytes)
        return self._template

    def _abandon(self) -> None:
        """In a fork: the processes and every lock belong to the parent, and some thread of it may hold them."""
        if self._template is not None:
            self._template.abandon()
        for slot in self._slots.all if self._slots else ():
            if slot.worker is not None:
                slot.worker.abandon()
        closed = self._closed
        self._reset()
        self._closed = closed


_POOLS: weakref.WeakSet[Pool] = weakref.WeakSet()


def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


def _abandon_all() -> None:
    for pool in list(_POOLS):
        pool._abandon()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_abandon_all)
