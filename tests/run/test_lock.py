from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grpo.run.lock import LOCK_FILE, RunLock, RunLockedError, require_unlocked

# Waits for the start signal (its stdin closes), takes the lock, says who won, holds it until killed or 'go' ends.
CONTENDER = """
import sys, time
from pathlib import Path
from grpo.run.lock import RunLock, RunLockedError
rounds = Path(sys.argv[1])
for line in sys.stdin:
    folder = rounds / line.strip()
    try:
        lock = RunLock(folder)
        print("won", flush=True)
    except RunLockedError as error:
        print(f"lost to {error.owner.pid if error.owner else None}", flush=True)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], **pipes)


def test_second_lock_names_the_holder(tmp_path):
    with RunLock(tmp_path):
        with pytest.raises(RunLockedError) as caught:
            RunLock(tmp_path)
        owner = caught.value.owner
        assert owner is not None
        assert (owner.pid, owner.host) == (os.getpid(), socket.gethostname())
        for part in (str(tmp_path), f"pid {os.getpid()}", socket.gethostname(), owner.started):
            assert part in str(caught.value)
        with pytest.raises(RunLockedError):
            require_unlocked(tmp_path)
    require_unlocked(tmp_path)
    RunLock(tmp_path).release()


def test_asking_does_not_take_the_lock_or_make_the_file(tmp_path):
    require_unlocked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    RunLock(tmp_path).release()
    require_unlocked(tmp_path)
    RunLock(tmp_path).release()


def test_exactly_one_of_two_processes_wins(tmp_path):
    contenders = [start(CONTENDER, str(tmp_path)) for _ in range(2)]
    try:
        for index in range(20):
            (tmp_path / str(index)).mkdir()
            for process in contenders:
                process.stdin.write(f"{index}\n")
                process.stdin.flush()
            answers = sorted(process.stdout.readline().strip() for process in contenders)
            winner = json.loads((tmp_path / str(index) / LOCK_FILE).read_text())["pid"]
            assert answers[1] == "won"
            assert answers[0] in (f"lost to {winner}", "lost to None")
            assert winner in [process.pid for process in contenders]
    finally:
        for process in contenders:
            process.kill()
            process.communicate()


def test_lock_of_a_killed_process_is_taken_over(tmp_path):
    (tmp_path / "run").mkdir()
    process = start(CONTENDER, str(tmp_path))
    try:
        process.stdin.write("run\n")
        process.stdin.flush()
        assert process.stdout.readline() == "won\n"
        with pytest.raises(RunLockedError):
            RunLock(tmp_path / "run")
    finally:
        process.kill()
        process.communicate()
    with RunLock(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / LOCK_FILE).read_text())["pid"] == os.getpid()


def test_surviving_child_does_not_keep_the_lock(tmp_path: Path):
    parent = os.fork()
    if parent == 0:
        RunLock(tmp_path)
        child = os.fork()
        if child == 0:
            (tmp_path / "child").write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(1)
    deadline = time.monotonic() + 10
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text():
        assert time.monotonic() < deadline, "the child did not start"
        time.sleep(0.01)
    child = int((tmp_path / "child").read_text())
    try:
        with pytest.raises(RunLockedError):
            RunLock(tmp_path)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        os.kill(child, 0)  # still alive
        RunLock(tmp_path).release()
    finally:
        os.kill(child, signal.SIGKILL)


def test_release_twice_and_damaged_owner_text(tmp_path):
    lock = RunLock(tmp_path)
    (tmp_path / LOCK_FILE).write_text("{half")
    with pytest.raises(RunLockedError, match="just started"):
        RunLock(tmp_path)
    lock.release()
    lock.release()
    RunLock(tmp_path).release()
