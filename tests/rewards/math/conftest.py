from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grpo.rewards.math.pool import Pool, Work
from grpo.rewards.math.result import Result

JUDGES = '''
import ctypes
import os
import signal
import socket
import sys
import time

from grpo.rewards.math.result import Result, Verdict


def judge(gold, text, *, mode="lenient"):
    """Right where gold and text are equal; the first word of a text may do harm."""
    harm, _, argument = text.partition(" ")
    if harm == "hang":
        10 ** 10 ** 10  # one C call that holds the interpreter lock
    elif harm == "spin":
        while True:
            pass
    elif harm == "sleep":
        time.sleep(1000)
    elif harm == "work":
        end = time.process_time() + float(argument)
        while time.process_time() < end:
            pass
    elif harm == "segfault":
        ctypes.string_at(0)
    elif harm == "exit":
        os._exit(7)
    elif harm == "die_once":
        # A worker cannot write files, so what is left behind is a killed sibling: see the test.
        os.kill(os.getpid(), signal.SIGKILL)
    elif harm == "memory":
        hoard = bytearray(64 << 30)
    elif harm == "hoard":
        hoard = []
        while True:
            hoard.append(bytearray(1 << 26))
    elif harm == "raise":
        raise RuntimeError("no good")
    elif harm == "recurse":
        return judge(gold, text)
    elif harm == "tell":
        return answer(False, tell(argument), mode)
    return answer(gold == text, text, mode)


def answer(equal, extracted, mode):
    verdict = Verdict.RIGHT if equal else Verdict.WRONG
    return Result(equal=equal, verdict=verdict, extracted=extracted, reason=mode, path="identity")


def tell(what):
    try:
        if what == "pid":
            return str(os.getpid())
        if what == "environment":
            return " ".join(sorted(os.environ))
        if what == "session":
            return str(os.getsid(0) == os.getpid() == os.getpgid(0))
        if what == "file":
            with open("/tmp/grpo_verifier_canary", "w") as stream:
                stream.write("x")
        if what == "network":
            socket.create_connection(("127.0.0.1", int(os.environ["CANARY_PORT"])), 0.2)
        if what == "child":
            os.fork()
        if what == "streams":
            return str(sorted(os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)))
        if what == "hash":
            return str(hash("a"))
    except OSError as error:
        return f"{type(error).__name__} {error.errno}"
    return "done"


def broken(gold, text, *, mode="lenient"):
    raise LookupError("broken from the start")
'''

JudgeTexts = Callable[..., list[Result]]


@pytest.fixture
def judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module `harmful_judges`, importable in new processes."""
    (tmp_path / "harmful_judges.py").write_text(JUDGES)
    kept = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *kept]))
    return tmp_path


@pytest.fixture
def pool(judges: Path) -> Iterator[Pool]:
    """Two workers around the harmful judge."""
    made = Pool("harmful_judges:judge", workers=2)
    yield made
    made.close()


def judged(pool: Pool, texts: list[str], *, deadline: float = 1.0, mode: str = "lenient") -> list[Result]:
    """Results of texts whose gold is `right`."""
    return pool.judge_all(Work(items=[("right", text) for text in texts], mode=mode, deadline_seconds=deadline))
