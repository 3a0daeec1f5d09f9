"""What the processes of the pool may not do: Linux rlimits, prctl and namespaces."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
WORKER_CPU_SECONDS = 3600
"""A worker that has used this much in all its life is ended and replaced."""
OPEN_FILES = 64


def end_with_parent() -> None:
    """Let the kernel kill this process when the thread that forked it ends; only right below a parent of one thread."""
    parent = os.getppid()
    _libc().prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)


def default_signals() -> None:
    """Undo what the host blocked or ignored, which a new process inherits; the item's timer needs SIGPROF."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGPROF, signal.SIGXCPU, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def leave_network() -> bool:
    """Move to a network namespace without interfaces. False where the kernel forbids it; then nothing changes.

    Inside a user namespace of its own an ordinary user may do this; some distributions and containers forbid it.
    """
    return any(_libc().unshare(flags) == 0 for flags in (CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWNET))


def limit_resources(memory_bytes: int) -> None:
    """Allow `memory_bytes` of address space beyond what is mapped now; no files, processes, core dumps."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    wanted = {
        resource.RLIMIT_AS: mapped + memory_bytes,
        resource.RLIMIT_CPU: WORKER_CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: 0,  # has no effect on root
    }
    for limit, value in wanted.items():
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    _libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
