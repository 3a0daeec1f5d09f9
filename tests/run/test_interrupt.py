from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from grpo.run.interrupt import Interruption

# Steps of 50 ms; prints each step, stops at the border.
LOOP = """
import sys, time
from grpo.run.interrupt import Interruption
with Interruption("resume=runs/x") as interruption:
    for step in range(1000):
        print("begin", step, flush=True)
        time.sleep(0.05)
        print("end", step, flush=True)
        if interruption.requested:
            break
print("saved after", interruption.requested, flush=True)
sys.exit(interruption.exit_code)
"""


@contextmanager
def running(code: str):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code], **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_first_signal_lets_the_step_end(number, code):
    with running(LOOP) as process:
        assert process.stdout.readline() == "begin 0\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    lines = out.splitlines()
    assert lines[0] == "end 0"
    assert lines[-1] == f"saved after {number.name}"
    assert process.returncode == code
    assert err.count("\n") == 1
    assert number.name in err
    assert "Continue with resume=runs/x" in err


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_at_once(second):
    code = LOOP.replace("time.sleep(0.05)", "time.sleep(30) if step == 0 else None")
    with running(code) as process:
        assert process.stdout.readline() == "begin 0\n"
        process.send_signal(signal.SIGTERM)
        assert process.stderr.readline().startswith("SIGTERM")
        started = time.monotonic()
        process.send_signal(second)
        assert process.wait(timeout=10) == -second
        assert time.monotonic() - started < 5


def test_second_signal_ends_a_process_that_was_stopping(tmp_path):
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.requested == "SIGTERM"
        assert interruption.exit_code == 143
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_handlers_are_restored_also_after_an_error():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyError), Interruption() as interruption:
        assert signal.getsignal(signal.SIGTERM) != before[1]
        raise KeyError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert (interruption.requested, interruption.exit_code) == (None, 0)


def test_only_in_the_main_thread():
    errors = []

    def enter():
        try:
            with Interruption():
                pass
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(timeout=10)
    assert errors == ["Interruption must be entered in the main thread"]


def test_forked_child_ignores_ctrl_c_and_dies_of_sigterm():
    with Interruption() as interruption:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
            if interruption.requested is None and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
                os.kill(os.getpid(), signal.SIGTERM)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGTERM
        assert interruption.requested is None


def test_fork_outside_an_interruption_changes_nothing():
    with Interruption():
        pass
    child = os.fork()
    if child == 0:
        os._exit(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
    assert os.waitpid(child, 0)[1] == 0
