"""A fixed number of places for workers, lent to calls in the order in which they ask."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from grpo.rewards.math.pool.control import PoolError, Worker


class Slot:
    """A place for one worker; empty before the first use and after a kill."""

    __slots__ = ("worker",)

    def __init__(self) -> None:
        self.worker: Worker | None = None


class _Waiter:
    __slots__ = ("ready", "slot")

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.slot: Slot | None = None


class Slots:
    """Lends slots. A slot that is given back goes straight to the call that has waited longest."""

    def __init__(self, count: int) -> None:
        self.all: Sequence[Slot] = tuple(Slot() for _ in range(count))
        self._lock = threading.Lock()
        self._free = deque(self.all)
        self._waiting: deque[_Waiter] = deque()

    @property
    def contended(self) -> bool:
        """Whether a call waits for a slot."""
        return bool(self._waiting)

    def try_acquire(self) -> Slot | None:
        """A free slot, one with a living worker if there is one; None when all are lent."""
        with self._lock:
            return self._free.pop() if self._free else None

    def acquire(self, deadline_seconds: float) -> Slot:
        """Wait for a slot. Raises PoolError after the deadline."""
        waiter = _Waiter()
        with self._lock:
            if self._free:
                return self._free.pop()
            self._waiting.append(waiter)
        try:
            waiter.ready.wait(deadline_seconds)
        except BaseException:
            if (slot := self._withdraw(waiter)) is not None:
                self.release(slot)
            raise
        if (slot := self._withdraw(waiter)) is None:
            raise PoolError(f"no verifier worker was free for {deadline_seconds:g} s: other calls hold all of them")
        return slot

    def _withdraw(self, waiter: _Waiter) -> Slot | None:
        with self._lock:
            if waiter.slot is None:
                self._waiting.remove(waiter)
            return waiter.slot

    def empty(self) -> None:
        """Let go of the workers in slots that nobody holds."""
        with self._lock:
            for slot in self._free:
                if slot.worker is not None:
                    slot.worker.abandon()
                    slot.worker = None

    def release(self, slot: Slot) -> None:
        with self._lock:
            if self._waiting:
                waiter = self._waiting.popleft()
                waiter.slot = slot
                waiter.ready.set()
            elif slot.worker is None:
                self._free.appendleft(slot)
            else:
                self._free.append(slot)
