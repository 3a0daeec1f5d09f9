"""A program in the sandbox while it runs: its output, its deadline, its end."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from typing import IO

from grpo.rewards.code.limits import KilledBy, Limits, SandboxError, SandboxResult

END_DEADLINE_SECONDS = 10.0
"""Most time for killed processes to be gone."""
CHUNK_BYTES = 1 << 16


class Running:
    """One started sandbox; `close` kills whatever is left of it."""

    def __init__(self, process: subprocess.Popen[bytes], status: int, limits: Limits) -> None:
        self._process = process
        self._status = status
        self._limits = limits
        self._started = time.monotonic()
        self._output: dict[int, bytearray] = {}
        self._killed_by: KilledBy | None = None

    def finish(self, seconds: float) -> SandboxResult:
        """Wait until the program ends, or kill it after `seconds` or too much output.

        Raises:
            SandboxError: the program was never started, or killed processes do not go away.
        """
        self._read_to_the_end(time.monotonic() + seconds)
        code = self._wait()
        stdout, stderr = self._captured(self._process.stdout), self._captured(self._process.stderr)
        # Bubblewrap reports an exit code only of a program that it got as far as starting.
        if self._killed_by is None and b'"exit-code"' not in self._output[self._status]:
            said = stderr.decode(errors="replace").strip()[-500:]
            raise SandboxError(f"the sandbox did not start (exit code {code}): {said}")
        return SandboxResult(
            exit_code=code if code >= 0 else 128 - code,
            stdout=stdout,
            stderr=stderr,
            seconds=time.monotonic() - self._started,
            killed_by=self._killed_by or _signal_of(code),
        )

    def close(self) -> None:
        """Kill the program and everything it started."""
        self._kill()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._wait()

    def _wait(self) -> int:
        try:
            return self._process.wait(timeout=END_DEADLINE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"bubblewrap was still there after {END_DEADLINE_SECONDS:g} s") from error

    def _kill(self) -> None:
        if self._process.returncode is not None:
            return  # waited for, so its number may be another's by now
        # The group is bubblewrap itself, with its first process inside until that has a session of its own; then the
        # kernel kills that one with bubblewrap, its parent, and everything inside with it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_to_the_end(self, deadline: float) -> None:
        pipes = [pipe.fileno() for pipe in (self._process.stdout, self._process.stderr) if pipe is not None]
        self._output = {descriptor: bytearray() for descriptor in (*pipes, self._status)}
        with selectors.DefaultSelector() as selector:
            for descriptor in self._output:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                for key, _ in ready:
                    chunk = os.read(key.fd, CHUNK_BYTES)
                    if not chunk:
                        selector.unregister(key.fd)
                    elif self._killed_by is None:
                        self._output[key.fd] += chunk
                if self._killed_by is None:
                    written = sum(len(self._output[descriptor]) for descriptor in pipes)
                    reason: KilledBy | None = "output" if written > self._limits.output_bytes else None
                    reason = reason or ("wall" if time.monotonic() > deadline else None)
                    if reason is not None:
                        self._killed_by = reason
                        self._kill()
                        deadline = time.monotonic() + END_DEADLINE_SECONDS
                elif time.monotonic() > deadline:
                    raise SandboxError(f"killed processes were still there after {END_DEADLINE_SECONDS:g} s")

    def _captured(self, pipe: IO[bytes] | None) -> bytes:
        return b"" if pipe is None else bytes(self._output[pipe.fileno()][: self._limits.output_bytes])


def _signal_of(code: int) -> KilledBy | None:
    """Which limit a signal stands for; a program can end itself in the same way, so this is for counting only."""
    if code == 128 + signal.SIGXCPU:
        return "cpu"
    return "signal" if code > 128 else None
