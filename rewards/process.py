"""The trainer's side of a reward worker: starts it, talks to it under a deadline, kills and restarts it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

from grpo.rewards.call import CallRequest, CallResult, Outcome, RewardCallError, RewardDeadlineError, Signature
from grpo.rewards.environment import worker_environment
from grpo.rewards.registry import Settings

START_DEADLINE_SECONDS = 120.0
"""Most time for a worker to start and import the user's module."""
STDERR_TAIL_BYTES = 2000
STDERR_LIMIT_BYTES = 1 << 20
"""What a worker has printed is dropped between calls beyond this size."""
LEAK_LIMIT_BYTES = 1 << 30
"""A worker that has grown by more than this since its first call is replaced before the next one."""


class WorkerProcess:
    """A long-lived process with one user function in it, restarted after an overrun or a crash."""

    def __init__(self, name: str, settings: Settings = MappingProxyType({})) -> None:
        """Start the worker and import the function, with its settings (what JSON can express).

        Raises:
            ValueError: the function cannot be imported; the message holds the user's own traceback.
            RewardDeadlineError: the import took longer than `START_DEADLINE_SECONDS`.
        """
        self.name = name
        self._settings = json.dumps(dict(settings))
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115  closed with the worker, not with a block
        # The worker writes through the same file offset that `_tail` moves, so every write must append.
        flags = fcntl.fcntl(self._printed, fcntl.F_GETFL)
        fcntl.fcntl(self._printed, fcntl.F_SETFL, flags | os.O_APPEND)
        self._process: subprocess.Popen[bytes] | None = None
        self._received = bytearray()
        self._calls = 0
        self._first_resident: int | None = None
        self.signature = self._start()

    def is_alive(self) -> bool:
        """Whether the worker runs; one that is only just being killed still does."""
        if self._process is None:
            return False
        # WNOWAIT leaves a dead leader unreaped, see `_kill`.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def ensure_ready(self) -> None:
        """Start the worker again where it was killed, died or leaks memory.

        Raises:
            RewardCallError: it does not start any more.
            ValueError: it cannot import the function any more.
        """
        if not self.is_alive() or self._leaked():
            self._kill()
            self._start()
        if os.fstat(self._printed.fileno()).st_size > STDERR_LIMIT_BYTES:
            self._printed.truncate(0)

    def call(self, request: CallRequest, deadline_seconds: float) -> CallResult:
        """Run the function on one request.

        Raises:
            ValueError: a column holds something JSON cannot express.
            RewardDeadlineError: no reply in time; the worker and all it started are killed.
            RewardCallError: the function raised or returned the wrong thing, or the worker died.
        """
        self._calls += 1
        payload = self._encoded(request)
        self.ensure_ready()
        reply = self._exchange(payload, deadline_seconds, f"reward {self.name!r}")
        self._first_resident = self._first_resident or self._resident()
        if reply.get("id") != self._calls:
            self._kill()
            raise RewardCallError(f"the worker answered call {reply.get('id')} instead of {self._calls}")
        if "error" in reply:
            raise RewardCallError(reply["error"])
        pairs = zip(reply["values"], reply["errors"], strict=True)
        return CallResult(
            outcomes=tuple(Outcome(value=value, error=error) for value, error in pairs),
            metrics=tuple((name, value) for name, value in reply["metrics"]),
            extra=reply["extra"],
        )

    def close(self) -> None:
        """Kill the worker; a later call would start it again."""
        self._kill()

    def _start(self) -> Signature:
        self._printed.truncate(0)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "grpo.rewards.worker", self.name, self._settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            env=worker_environment(dict(os.environ)),
            start_new_session=True,
            bufsize=0,
        )
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        self._received = bytearray()
        self._first_resident = None
        hello = self._exchange(b"", START_DEADLINE_SECONDS, f"start of the worker of reward {self.name!r}")
        if "failed" in hello:
            self._kill()
            raise ValueError(f"reward {self.name!r} cannot be loaded: {hello['failed']}\n{hello['traceback']}")
        return Signature(
            names=tuple(hello["names"]),
            required=tuple(hello["required"]),
            takes_any=hello["takes_any"],
            per_group=hello["per_group"],
        )

    def _encoded(self, request: CallRequest) -> bytes:
        columns = []
        for column, values in request.columns.items():
            try:
                columns.append(f"{json.dumps(column)}: {json.dumps(values)}")
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"column {column!r} cannot be sent to the worker of reward {self.name!r}: {error}; "
                    "make it text, numbers, lists or dicts, or set reward.in_process=true"
                ) from error
        head = f'"id": {self._calls}, "count": {request.count}, "step": {request.step}'
        return f'{{{head}, "columns": {{{", ".join(columns)}}}}}\n'.encode()

    def _exchange(self, payload: bytes, deadline_seconds: float, waiting_for: str) -> dict[str, Any]:
        """Write `payload` and read one line; the worker is killed when the deadline passes first."""
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        end = time.monotonic() + deadline_seconds
        unsent = memoryview(payload)
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if unsent:
                selector.register(process.stdin, selectors.EVENT_WRITE)
            while not self._received.endswith(b"\n"):
                ready = selector.select(max(0.0, end - time.monotonic()))
                if not ready or time.monotonic() > end:
                    raise self._overrun(waiting_for, deadline_seconds)
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        unsent = self._write(process.stdin.fileno(), unsent)
                        if not unsent:
                            selector.unregister(process.stdin)
                    else:
                        self._read(process.stdout.fileno(), waiting_for)
        line, self._received = bytes(self._received), bytearray()
        return self._decoded(line)

    def _write(self, descriptor: int, unsent: memoryview) -> memoryview:
        try:
            return unsent[os.write(descriptor, unsent) :]
        except BrokenPipeError:
            return unsent[:0]  # the worker died; reading tells how

    def _read(self, descriptor: int, waiting_for: str) -> None:
        chunk = os.read(descriptor, 1 << 20)
        if not chunk:
            code = self._kill()
            raise RewardCallError(f"{waiting_for}: the worker died with exit code {code}{self._tail()}")
        self._received += chunk

    def _decoded(self, line: bytes) -> dict[str, Any]:
        try:
            reply = json.loads(line)
        except ValueError as error:
            self._kill()
            raise RewardCallError(f"the worker of reward {self.name!r} sent {line[:80]!r}, not JSON") from error
        assert isinstance(reply, dict), reply
        return reply

    def _overrun(self, waiting_for: str, deadline_seconds: float) -> RewardDeadlineError:
        self._kill()
        return RewardDeadlineError(f"{waiting_for} took longer than {deadline_seconds:g} s{self._tail()}")

    def _leaked(self) -> bool:
        """Whether the worker has grown by more than `LEAK_LIMIT_BYTES` since its first call."""
        return self._first_resident is not None and self._resident() - self._first_resident > LEAK_LIMIT_BYTES

    def _resident(self) -> int:
        """Bytes of memory the worker holds; 0 when it is just dying, or where there is no /proc."""
        assert self._process is not None
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def _kill(self) -> int | None:
        """SIGKILL the worker's whole process group and collect its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        # Until it is waited for, the leader's id cannot be reused: the signal reaches its own group or nobody.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        return process.wait(timeout=START_DEADLINE_SECONDS)

    def _tail(self) -> str:
        size = self._printed.seek(0, os.SEEK_END)
        self._printed.seek(max(0, size - STDERR_TAIL_BYTES))
        text = self._printed.read().decode(errors="replace").strip()
        return f"; it printed: {text}" if text else ""
