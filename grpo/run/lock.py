"""One process per run folder.

The lock is `flock` on a file in the folder: the kernel drops it with its holder, so a killed run leaves no stale
lock behind. The file's text (host, pid, start) is only for the message to whoever comes second.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

LOCK_FILE = "lock"
ATTEMPTS = 5
PAUSE_SECONDS = 0.02
"""Between attempts: a process that merely asks for the owner holds a shared lock for an instant."""


@dataclass(frozen=True)
class LockOwner:
    """Who holds a run folder."""

    host: str
    pid: int
    started: str
    """When the lock was taken, ISO 8601, UTC."""

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, since {self.started}"


class RunLockedError(RuntimeError):
    """Another living process works in this run folder."""

    def __init__(self, folder: Path, owner: LockOwner | None) -> None:
        self.folder = folder
        self.owner = owner
        super().__init__(f"{folder} is in use by {owner or 'a process that has just started'}; stop it or wait for it")


class RunLock:
    """Exclusive for the life of this process, or until `release`. Forked children do not hold it."""

    def __init__(self, folder: Path) -> None:
        """Take the lock of an existing folder.

        Raises:
            RunLockedError: another process, or another `RunLock` of this one, holds it.
        """
        self._descriptor: int | None = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not _try_flock(self._descriptor, fcntl.LOCK_EX):
            self._forget()
            raise RunLockedError(folder, _recorded_owner(folder))
        owner = LockOwner(socket.gethostname(), os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(asdict(owner)).encode() + b"\n", 0)
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self._forget()

    def _forget(self) -> None:
        # Closing ends the lock in the holder, and leaves it alone in a forked child, whose parent has it open too.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            _held.discard(self)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def require_unlocked(folder: Path) -> None:
    """Check, without taking the lock, that no process holds it.

    Raises:
        RunLockedError: one does.
    """
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not _try_flock(descriptor, fcntl.LOCK_SH):
            raise RunLockedError(folder, _recorded_owner(folder))
    finally:
        os.close(descriptor)


def _try_flock(descriptor: int, kind: int) -> bool:
    for attempt in range(ATTEMPTS):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if attempt + 1 < ATTEMPTS:
                time.sleep(PAUSE_SECONDS)
    return False


def _recorded_owner(folder: Path) -> LockOwner | None:
    try:
        return LockOwner(**json.loads((folder / LOCK_FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _drop_in_child() -> None:
    for lock in list(_held):
        lock._forget()


_held: set[RunLock] = set()
os.register_at_fork(after_in_child=_drop_in_child)
