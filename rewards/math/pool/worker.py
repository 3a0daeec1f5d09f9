"""A worker: judges one item after another, with a timer of the kernel's on each. Runs in a fork of the template."""

from __future__ import annotations

import mmap
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from grpo.rewards.math.pool.frames import frame, take_frames
from grpo.rewards.math.pool.limits import default_signals, end_with_parent, limit_resources
from grpo.rewards.math.result import Result, Verdict

JudgeFunction = Callable[..., Result]
"""`judge(gold, text, *, mode)`."""
PROGRESS = struct.Struct("=q")
"""Shared with the host: how many items the worker has begun since it started."""
FLUSH_ITEMS, FLUSH_SECONDS = 64, 0.005
"""Replies wait for each other this long: one write for many quick items, and little to repeat after a kill."""
READ_BYTES = 1 << 18
MAX_EXTRACTED = 2000
"""Characters of `Result.extracted` that are sent back."""


def serve(judge: JudgeFunction, channel: socket.socket, progress: mmap.mmap, memory_bytes: int) -> None:
    """Answer chunks until the host closes the channel. Never returns to the template's code."""
    code = 1
    try:
        os.setsid()
        end_with_parent()
        default_signals()
        _close_standard_streams()
        limit_resources(memory_bytes)
        _Worker(judge, channel, progress).run()
        code = 0
    except (BrokenPipeError, ConnectionResetError):
        code = 0  # the host is gone, or has given this worker up
    except Exception as error:  # a fault of this file or of the limits: the host raises it
        channel.sendall(frame({"failed": f"{type(error).__name__}: {error}"}))
    finally:
        os._exit(code)


def _close_standard_streams() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


class _Worker:
    def __init__(self, judge: JudgeFunction, channel: socket.socket, progress: mmap.mmap) -> None:
        self._judge = judge
        self._channel = channel
        self._progress = progress
        self._begun = 0
        self._replies: list[list[Any]] = []
        self._flushed = 0.0

    def run(self) -> None:
        received = bytearray()
        while data := self._channel.recv(READ_BYTES):
            received += data
            for chunk in take_frames(received):
                self._work(chunk["items"], chunk["mode"], chunk["deadline"])

    def _work(self, items: list[list[str]], mode: str, deadline_seconds: float) -> None:
        self._flushed = time.monotonic()
        for gold, text in items:
            self._begun += 1
            PROGRESS.pack_into(self._progress, 0, self._begun)
            # CPU time of this process, so that waiting for a core or for the host is not held against the item. The
            # signal's default action ends the process, also inside one long C call that holds the interpreter lock.
            signal.setitimer(signal.ITIMER_PROF, deadline_seconds)
            self._replies.append(self._reply(gold, text, mode))
            if len(self._replies) >= FLUSH_ITEMS or time.monotonic() - self._flushed > FLUSH_SECONDS:
                self._flush()
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._flush()

    def _reply(self, gold: str, text: str, mode: str) -> list[Any]:
        started = time.perf_counter()  # the CPU clock counts in ticks while the timer is set
        try:
            result = self._judge(gold, text, mode=mode)
        except MemoryError:
            self._replies.append(_failed("memory"))
            self._flush()
            os._exit(0)  # what is left in this process can no longer be relied on
        except RecursionError:  # the same on every machine, unlike lack of memory: a property of the text
            return _failed("too_deep", Verdict.UNPARSABLE)
        # A fault of the verifier, whatever its kind, becomes this item's own error; the host counts it.
        except Exception as error:
            return _failed(f"{type(error).__name__}: {str(error)[:200]}")
        milliseconds = (time.perf_counter() - started) * 1000
        extracted = result.extracted if result.extracted is None else result.extracted[:MAX_EXTRACTED]
        return [result.equal, result.verdict, extracted, result.reason, result.path, milliseconds]

    def _flush(self) -> None:
        if self._replies:
            self._channel.sendall(frame(self._replies))
            self._replies.clear()
        self._flushed = time.monotonic()


def _failed(reason: str, verdict: Verdict = Verdict.ERROR) -> list[Any]:
    return [False, verdict, None, reason, "pool", 0.0]
