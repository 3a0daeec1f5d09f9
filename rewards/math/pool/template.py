"""The template process.

It imports the verifier once, then forks a worker for each `fork` it is sent and ends one for each `end`. It judges
nothing itself and so always answers. When the host is gone it ends with all its workers.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import mmap
import os
import select
import signal
import socket
import traceback
from typing import Any

from grpo.rewards.math.pool.limits import default_signals, leave_network
from grpo.rewards.math.pool.worker import PROGRESS, JudgeFunction, serve

CONTROL_DESCRIPTOR = 0
"""Standard input is the control socket: messages of one packet each."""
PACKET_BYTES = 1 << 16
HOST_CHECK_SECONDS = 0.5
"""The socket ends with the host, unless a process that the host forked still holds a copy of it."""
WARM_UP = (
    ("2", r"The answer is $\boxed{2}$."),
    (r"\frac{1}{2}", r"<think>x</think> \boxed{0.5}"),
    (r"\sin^2 x + \cos^2 x", r"\boxed{1}"),
    (r"x^2 - 1", r"\boxed{(x - 1)(x + 1)}"),
)
"""Judged once before the first fork, so that what is imported on first use is in every worker."""


def main(function: str, memory_bytes: int, host: int) -> None:
    """Import, report, and serve until the host is gone."""
    control = socket.socket(fileno=os.dup(CONTROL_DESCRIPTOR))
    try:
        default_signals()
        judge = _load(function)
        isolated = leave_network()
    except Exception as error:  # whatever the import raised is the host's to report
        _send(control, {"failed": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()[-8000:]})
        return
    gc.collect()
    gc.freeze()  # collections in the workers leave the pages they share with this process alone
    _send(control, {"ready": os.getpid(), "no_network": isolated})
    _Template(control, judge, memory_bytes).run(host)


def _load(function: str) -> JudgeFunction:
    module, _, name = function.partition(":")
    judge: JudgeFunction = getattr(importlib.import_module(module), name)
    for gold, text in WARM_UP:
        judge(gold, text, mode="lenient")
    return judge


class _Template:
    def __init__(self, control: socket.socket, judge: JudgeFunction, memory_bytes: int) -> None:
        self._control = control
        self._judge = judge
        self._memory_bytes = memory_bytes
        self._workers: set[int] = set()

    def run(self, host: int) -> None:
        while os.getppid() == host:
            readable, _, _ = select.select([self._control], [], [], HOST_CHECK_SECONDS)
            if not readable:
                continue
            packet = self._control.recv(PACKET_BYTES)
            if not packet:
                break
            command, _, argument = packet.decode().partition(" ")
            if command == "fork":
                self._fork()
            else:
                _send(self._control, {"status": self._end(int(argument))})
        for pid in list(self._workers):
            self._end(pid)

    def _fork(self) -> None:
        theirs, ours = socket.socketpair()
        shared = os.memfd_create("progress")
        os.ftruncate(shared, PROGRESS.size)
        progress = mmap.mmap(shared, PROGRESS.size)
        pid = os.fork()
        if pid == 0:
            self._control.close()
            os.dup2(os.open(os.devnull, os.O_RDONLY), CONTROL_DESCRIPTOR)
            theirs.close()
            os.close(shared)
            serve(self._judge, ours, progress, self._memory_bytes)
        self._workers.add(pid)
        ours.close()
        progress.close()
        socket.send_fds(self._control, [json.dumps({"pid": pid}).encode()], [theirs.fileno(), shared])
        theirs.close()
        os.close(shared)

    def _end(self, pid: int) -> int | None:
        """Kill and collect a worker. Its exit code, negative for a signal; None for no worker of ours."""
        if pid not in self._workers:
            return None
        self._workers.remove(pid)
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the id is still its own; no effect where it died before
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the host is gone; the loop ends by itself
        control.send(json.dumps(message).encode())
