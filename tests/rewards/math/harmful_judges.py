"""Judging functions that do harm on request; imported by name in the pool's processes."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time
from pathlib import Path

from grpo.rewards.math.result import Result, Verdict


def judge(gold: str, text: str, *, mode: str = "lenient") -> Result:
    """Right where gold and text are equal; the first word of a text may do harm, the rest is its argument."""
    harm, _, argument = text.partition(" ")
    if harm in HARMS:
        HARMS[harm](argument)
    elif harm == "tell":
        return answer(False, tell(argument), mode)
    return answer(gold == text, text, mode)


def broken(gold: str, text: str, *, mode: str = "lenient") -> Result:
    raise LookupError("broken from the start")


def answer(equal: bool, extracted: str, mode: str) -> Result:
    verdict = Verdict.RIGHT if equal else Verdict.WRONG
    return Result(equal=equal, verdict=verdict, extracted=extracted, reason=mode, path="identity")


def spin(_: str) -> None:
    while True:
        pass


def work(seconds: str) -> None:
    end = time.thread_time() + float(seconds)
    while time.thread_time() < end:
        pass


def hoard(_: str) -> None:
    kept = []
    while True:
        kept.append(bytearray(1 << 26))


def fail(_: str) -> None:
    raise RuntimeError("no good")


def recurse(argument: str) -> None:
    recurse(argument + "")
    recurse(argument)


def die_once(folder: str) -> None:
    if not os.path.exists(folder):
        os.mkdir(folder)
        os.kill(os.getpid(), signal.SIGKILL)


HARMS = {
    "hang": lambda _: 10**10**10,  # one C call that holds the interpreter lock
    "spin": spin,
    "sleep": lambda seconds: time.sleep(float(seconds)),
    "work": work,
    "segfault": lambda _: ctypes.string_at(0),
    "exit": lambda code: os._exit(int(code)),
    "memory": lambda _: bytearray(64 << 30),
    "hoard": hoard,
    "fail": fail,
    "recurse": recurse,
    "die_once": die_once,
}


def tell(what: str) -> str:
    """Try something, or look something up, and say what came of it."""
    try:
        return str(TELLINGS[what]())
    except OSError as error:
        return f"{type(error).__name__} {error.errno}"


def write_file() -> str:
    with open(os.environ["CANARY_FILE"], "w") as stream:
        stream.write("x")
    return "written"


TELLINGS = {
    "pid": os.getpid,
    "environment": lambda: " ".join(sorted(os.environ)),
    "leads": lambda: os.getsid(0) == os.getpid() == os.getpgid(0),
    "file": write_file,
    "network": lambda: socket.create_connection(("127.0.0.1", int(os.environ["CANARY_PORT"])), 0.2),
    "child": os.fork,
    "streams": lambda: {os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)},
    "hash": lambda: hash("a"),
    "host_environment": lambda: len(Path(f"/proc/{os.environ['CANARY_HOST']}/environ").read_bytes()),
    "descriptors": lambda: len(os.listdir("/proc/self/fd")),
}
