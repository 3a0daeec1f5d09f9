"""The host's side of the template: starts it, asks it for workers, has them ended."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from typing import Any

from grpo.rewards.environment import worker_environment
from grpo.rewards.math.pool.template import PACKET_BYTES
from grpo.rewards.math.pool.worker import PROGRESS

START_DEADLINE_SECONDS = 120.0
"""Most time for the template to import the verifier and all that it needs."""
ANSWER_DEADLINE_SECONDS = 60.0
"""Most time for the template to fork a worker or to end one: milliseconds, unless the machine swaps."""


class PoolError(RuntimeError):
    """The pool's processes cannot be started or do not answer; no item's fault."""


class Worker:
    """The host's ends of one worker, and what was sent to it and not answered yet."""

    def __init__(self, template: TemplateProcess, pid: int, channel: socket.socket, shared: int) -> None:
        self._template = template
        self.pid = pid
        self.channel = channel
        self.channel.setblocking(False)
        self.unsent = memoryview(b"")
        self.received = bytearray()
        self.outstanding: deque[int] = deque()
        """Indices of items, in the order in which they were sent."""
        self.answered = 0
        """Items since it started."""
        self._progress = mmap.mmap(shared, PROGRESS.size, prot=mmap.PROT_READ)
        os.close(shared)

    @property
    def begun(self) -> int:
        """Items it has begun since it started; readable after its death, too."""
        count: int = PROGRESS.unpack_from(self._progress)[0]
        return count

    def end(self) -> int | None:
        """Kill it: its exit code, negative for a signal, or None when its template is gone, and it with that."""
        try:
            return self._template.end(self.pid)
        except PoolError:
            return None
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the worker without ending it."""
        self.channel.close()
        self._progress.close()


class TemplateProcess:
    """A running template. Every method may be called from any thread."""

    def __init__(self, judge: str, memory_bytes: int) -> None:
        """Start it and wait until it has imported `judge`, given as `module:function`.

        Raises:
            PoolError: it cannot import it, or not within `START_DEADLINE_SECONDS`.
        """
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process, not with a block
        command = [sys.executable, "-P", "-m", "grpo.rewards.math.pool", judge, str(memory_bytes)]
        # One hash seed for all: the order of a set in the verifier must not differ between two starts.
        environment = worker_environment(dict(os.environ)) | {"PYTHONHASHSEED": "0"}
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(os.getpid())],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._printed,
                env=environment,
                start_new_session=True,
            )
        try:
            hello, _ = self._receive(START_DEADLINE_SECONDS, "start of the verifier's template process")
            if "failed" in hello:
                raise PoolError(f"the verifier {judge!r} cannot be loaded: {hello['failed']}\n{hello['traceback']}")
        except BaseException:
            self.close()
            raise
        self.no_network: bool = hello["no_network"]
        """Whether the kernel let the workers give up the network."""

    def fork(self) -> Worker:
        """A new worker. Raises PoolError when the template does not answer."""
        answer, descriptors = self._ask("fork", "fork of a verifier worker")
        channel, shared = descriptors
        return Worker(self, answer["pid"], socket.socket(fileno=channel), shared)

    def end(self, pid: int) -> int | None:
        """Kill a worker and collect it: its exit code, negative for a signal, None when it was not the template's.

        Raises:
            PoolError: the template does not answer.
        """
        answer, _ = self._ask(f"end {pid}", "end of a verifier worker")
        status: int | None = answer["status"]
        return status

    def close(self) -> None:
        """End the template; it ends its workers."""
        with self._lock:
            self._control.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)  # its workers follow, see `end_with_parent`
            self._process.wait(timeout=ANSWER_DEADLINE_SECONDS)
        self._printed.close()

    def abandon(self) -> None:
        """In a fork of the host: let go of what belongs to the host."""
        self._control.close()
        self._process.returncode = 0  # no child of this process: nothing to wait for

    def _ask(self, command: str, waiting_for: str) -> tuple[dict[str, Any], list[int]]:
        with self._lock:
            try:
                self._control.send(command.encode())
                return self._receive(ANSWER_DEADLINE_SECONDS, waiting_for)
            except (OSError, PoolError) as error:
                self._control.close()  # a late answer must not be taken for that to the next command
                if isinstance(error, PoolError):
                    raise
                raise PoolError(f"{waiting_for}: the template process is gone ({error}){self._tail()}") from error

    def _receive(self, deadline_seconds: float, waiting_for: str) -> tuple[dict[str, Any], list[int]]:
        self._control.settimeout(deadline_seconds)
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._control, PACKET_BYTES, 2, socket.MSG_CMSG_CLOEXEC)
        except TimeoutError as error:
            raise PoolError(f"{waiting_for} took longer than {deadline_seconds:g} s{self._tail()}") from error
        if not packet:
            raise PoolError(f"{waiting_for}: the template process died{self._tail()}")
        message: dict[str, Any] = json.loads(packet)
        return message, descriptors

    def _tail(self) -> str:
        if self._printed.closed:
            return ""
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, size - 2000))
        text = self._printed.read().decode(errors="replace").strip()
        return f"; it printed: {text}" if text else ""
