"""The child process in which a user's reward function runs: `python -m grpo.rewards.worker NAME SETTINGS`.

One JSON object a line each way, nothing pickled. Requests come on standard input, replies go out on the pipe that was
standard output when the process started; whatever the function prints goes to standard error instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import traceback
from dataclasses import asdict
from typing import Any, BinaryIO

from grpo.rewards.call import CallRequest, RewardCallError, Signature, invoke
from grpo.rewards.registry import RewardFunction, Settings, resolve

PR_SET_PDEATHSIG = 1
"""Linux prctl option: the signal the kernel sends to this process when its parent ends."""


def main(name: str, settings: Settings) -> None:
    """Announce the function's signature, then answer requests until standard input ends."""
    requests, replies = _private_pipes()
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_until_orphaned, args=(requests, lines), daemon=True).start()
    try:
        function = resolve(name, settings)
        signature = Signature.of(function)
    except BaseException as error:  # whatever the user's module raises is reported to the parent, which stops
        _send(replies, {"failed": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()})
        return
    _send(replies, asdict(signature))
    # One event loop for all calls: an async reward may keep a connection open between them.
    with asyncio.Runner() as loop:
        while True:
            _send(replies, _answer(function, signature, json.loads(lines.get()), loop))


def _answer(
    function: RewardFunction, signature: Signature, message: dict[str, Any], loop: asyncio.Runner
) -> dict[str, Any]:
    request = CallRequest(columns=message["columns"], count=message["count"], step=message["step"])
    try:
        result = invoke(function, signature, request, loop.run)
    except RewardCallError as error:
        return {"id": message["id"], "error": str(error)}
    return {
        "id": message["id"],
        "values": [outcome.value for outcome in result.outcomes],
        "errors": [outcome.error for outcome in result.outcomes],
        "metrics": result.metrics,
        "extra": result.extra,
    }


def _send(replies: BinaryIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message, default=str).encode() + b"\n")
    replies.flush()


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the protocol's pipes away from file descriptors 0 and 1, where user code would read and print."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return requests, replies


def _read_until_orphaned(requests: BinaryIO, lines: queue.SimpleQueue[bytes]) -> None:
    """Queue request lines; when the pipe closes, the parent is gone: end this process and what it started."""
    for line in requests:
        lines.put(line)
    if os.getpgid(0) == os.getpid():  # false when started by hand: then the group is the shell's
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _die_with_parent() -> None:
    """Also covers a function that holds the interpreter lock, in which the reading thread gets no turn."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _die_with_parent()
    main(sys.argv[1], json.loads(sys.argv[2]))
