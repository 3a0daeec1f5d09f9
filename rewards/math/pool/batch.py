"""One call: hands its items to the workers it was lent, reads their replies, and settles what became of the killed."""

from __future__ import annotations

import selectors
import signal
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from grpo.rewards.math.pool.control import PoolError, Worker
from grpo.rewards.math.pool.frames import frame, take_frames
from grpo.rewards.math.pool.slots import Slot, Slots
from grpo.rewards.math.pool.worker import READ_BYTES
from grpo.rewards.math.result import Result, Verdict

CHUNK_MILLISECONDS = 20.0
"""Work aimed at in one chunk: enough to hide the transport, little enough to share out evenly."""
FIRST_CHUNK, LARGEST_CHUNK, CHUNK_CHARACTERS = 8, 64, 1 << 18
WALL_SLICES = 10
"""A worker is killed after this many deadlines of wall time without a reply, each of them seen to pass."""
LEASE_DEADLINE_SECONDS = 600.0
"""Most time a call waits until another call lets go of a worker."""
ATTEMPTS = 2
"""An item is the cause when this many workers died over it: one may have been killed from outside."""
STILLBORN_LIMIT = 3
"""Workers of one call that may die before their first item."""
_VERDICTS = {verdict.value: verdict for verdict in Verdict}


class Employer(Protocol):
    """What a call needs of the pool."""

    @property
    def slots(self) -> Slots: ...

    def hire(self, slot: Slot) -> Worker: ...

    def dismiss(self, slot: Slot) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is asked of one call."""

    items: Sequence[tuple[str, str]]
    """Gold and text of each."""
    mode: str
    deadline_seconds: float
    """CPU seconds of the worker for one item."""


class _Lease:
    """A slot while this call holds it."""

    __slots__ = ("due", "fed", "silent", "slot")

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.fed = False
        self.silent = 0
        self.due = 0.0

    def heard(self, deadline_seconds: float) -> None:
        self.silent = 0
        self.due = time.monotonic() + deadline_seconds


class Batch:
    """Runs once. Lives in the calling thread; several of them share the slots."""

    def __init__(self, employer: Employer, work: Work) -> None:
        self._employer = employer
        self._slots = employer.slots
        self._work = work
        self._results: list[Result | None] = [None] * len(work.items)
        self._left = len(work.items)
        self._pending = deque(range(len(work.items)))
        self._leases: list[_Lease] = []
        self._selector = selectors.PollSelector()
        self._deaths: Counter[int] = Counter()
        self._stillborn = 0
        self._chunk = FIRST_CHUNK

    def run(self) -> list[Result]:
        """Raises PoolError when workers cannot be had."""
        try:
            while self._left:
                self._lease()
                self._feed()
                self._wait()
        finally:
            for lease in list(self._leases):
                self._give_back(lease)
            self._selector.close()
        return [result for result in self._results if result is not None]

    def _lease(self) -> None:
        wanted = min(len(self._slots.all), -(-len(self._pending) // FIRST_CHUNK))
        while len(self._leases) < wanted:
            slot = self._slots.try_acquire()
            if slot is None:
                if self._leases:
                    return
                slot = self._slots.acquire(LEASE_DEADLINE_SECONDS)
            lease = _Lease(slot)
            self._leases.append(lease)
            if slot.worker is not None:
                self._selector.register(slot.worker.channel, selectors.EVENT_READ, lease)

    def _feed(self) -> None:
        for lease in list(self._leases):
            worker = lease.slot.worker
            busy = worker is not None and bool(worker.outstanding)
            # A call that waits gets this worker once it is through with what it has.
            if not self._pending or (lease.fed and self._slots.contended):
                if not busy:
                    self._give_back(lease)
                continue
            if worker is None:
                worker = self._employer.hire(lease.slot)
                self._selector.register(worker.channel, selectors.EVENT_READ, lease)
            if len(worker.outstanding) <= self._chunk // 2 and not worker.unsent:
                if not busy:
                    lease.heard(self._work.deadline_seconds)
                worker.unsent = memoryview(self._take_chunk(worker))
                lease.fed = True
                self._send(lease, worker)

    def _take_chunk(self, worker: Worker) -> bytes:
        count = min(self._chunk, -(-len(self._pending) // (2 * len(self._leases))))
        items: list[tuple[str, str]] = []
        characters = 0
        while self._pending and len(items) < count and characters < CHUNK_CHARACTERS:
            index = self._pending.popleft()
            worker.outstanding.append(index)
            items.append(self._work.items[index])
            characters += len(items[-1][1])
        return frame({"items": items, "mode": self._work.mode, "deadline": self._work.deadline_seconds})

    def _wait(self) -> None:
        if not self._leases:
            return
        now = time.monotonic()
        for key, events in self._selector.select(max(0.0, min(lease.due for lease in self._leases) - now)):
            lease: _Lease = key.data
            worker = lease.slot.worker
            assert worker is not None
            if events & selectors.EVENT_WRITE:
                self._send(lease, worker)
            if events & selectors.EVENT_READ:
                self._read(lease, worker)
        now = time.monotonic()
        for lease in self._leases:
            if lease.due <= now and lease.slot.worker is not None:
                # Only slices that this thread saw pass: a host that was stopped, or starved, proves nothing.
                lease.silent += 1
                lease.due = now + self._work.deadline_seconds
                if lease.silent >= WALL_SLICES:
                    self._bury(lease, lease.slot.worker, overran=True)

    def _send(self, lease: _Lease, worker: Worker) -> None:
        try:
            worker.unsent = worker.unsent[worker.channel.send(worker.unsent) :]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            worker.unsent = memoryview(b"")  # it died; reading tells how
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.unsent else 0)
        if self._selector.get_key(worker.channel).events != events:
            self._selector.modify(worker.channel, events, lease)

    def _read(self, lease: _Lease, worker: Worker) -> None:
        try:
            data = worker.channel.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self._bury(lease, worker, overran=False)
            return
        lease.heard(self._work.deadline_seconds)
        worker.received += data
        for replies in take_frames(worker.received):
            if isinstance(replies, dict):
                raise PoolError(f"a verifier worker could not start: {replies['failed']}")
            self._keep(worker, replies)

    def _keep(self, worker: Worker, replies: list[list[Any]]) -> None:
        for equal, verdict, extracted, reason, path, milliseconds in replies:
            worker.answered += 1
            self._settle(
                worker.outstanding.popleft(),
                Result(
                    equal=equal,
                    verdict=_VERDICTS[verdict],
                    extracted=extracted,
                    reason=reason,
                    path=path,
                    milliseconds=milliseconds,
                ),
            )
        mean = sum(reply[-1] for reply in replies) / len(replies)
        self._chunk = max(1, min(LARGEST_CHUNK, int(CHUNK_MILLISECONDS / max(mean, 0.001))))

    def _bury(self, lease: _Lease, worker: Worker, *, overran: bool) -> None:
        """Collect a worker that died or must; its unanswered items go back, except the one that it was busy with."""
        lost = list(worker.outstanding)
        current = worker.begun - worker.answered - 1
        self._stillborn += worker.begun == 0 and not overran
        self._selector.unregister(worker.channel)
        status = self._employer.dismiss(lease.slot)
        if self._stillborn >= STILLBORN_LIMIT:
            raise PoolError(
                f"{STILLBORN_LIMIT} verifier workers died before their first item; the last {_died(status)}"
            )
        if 0 <= current < len(lost):
            culprit = lost[current]
            verdict = self._blame(culprit, status, overran)
            if verdict is not None:
                self._settle(culprit, verdict)
                del lost[current]
        self._pending.extendleft(reversed(lost))

    def _blame(self, index: int, status: int | None, overran: bool) -> Result | None:
        """What the item is, or None when it deserves another attempt."""
        seconds = self._work.deadline_seconds
        if overran or status == -signal.SIGPROF:
            reason = "wall_deadline" if overran else "deadline"
            spent = 1000 * seconds * (WALL_SLICES if overran else 1)
            return _fault(Verdict.TIMED_OUT, reason, spent)
        self._deaths[index] += 1
        if self._deaths[index] < ATTEMPTS:
            return None
        return _fault(Verdict.ERROR, f"worker died: {_died(status)}", 0.0)

    def _settle(self, index: int, result: Result) -> None:
        self._results[index] = result
        self._left -= 1

    def _give_back(self, lease: _Lease) -> None:
        worker = lease.slot.worker
        if worker is not None:
            self._selector.unregister(worker.channel)
            if worker.outstanding:  # only when the call ends early: its replies would reach the next call
                self._employer.dismiss(lease.slot)
        self._leases.remove(lease)
        self._slots.release(lease.slot)


def _fault(verdict: Verdict, reason: str, milliseconds: float) -> Result:
    return Result(equal=False, verdict=verdict, extracted=None, reason=reason, path="pool", milliseconds=milliseconds)


def _died(status: int | None) -> str:
    if status is None:
        return "was gone"
    if status >= 0:
        return f"ended with exit code {status}"
    return f"was killed by {signal.Signals(-status).name}"
