"""Deadlines: a typed error from Python code, the end of the process for native code that never returns."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from grpo.rollouts.deadline import EXIT_STATUS, Deadline
from grpo.rollouts.engine import EngineDeadlineError
from grpo.rollouts.transformers_engine import TransformersEngine
from grpo.types import SamplingSettings
from tests.rollouts.conftest import ModelFolder
from tests.rollouts.tiny_models import engine_settings, prompts


def test_a_call_in_time_passes_and_leaves_no_thread() -> None:
    with Deadline("quick", 60.0) as deadline:
        deadline.check()
    assert not [thread for thread in threading.enumerate() if thread.name == "deadline: quick"]


def test_check_names_the_wait() -> None:
    message = r"weight update took longer than its deadline of 0\.05 s"
    with pytest.raises(EngineDeadlineError, match=message), Deadline("weight update", 0.05) as deadline:
        while True:
            time.sleep(0.01)
            deadline.check()


def test_a_late_return_is_an_error_too(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    with pytest.raises(EngineDeadlineError, match="slow call"), Deadline("slow call", 0.05, log):
        time.sleep(0.3)
    assert "slow call" in log.read_text() and "test_a_late_return" in log.read_text()


def test_an_error_inside_is_not_replaced() -> None:
    with pytest.raises(KeyError), Deadline("failing", 0.01):
        time.sleep(0.05)
        raise KeyError("inner")


def test_native_code_that_never_returns_ends_the_process(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    program = f"""
        import os, pathlib, threading
        from grpo.rollouts.deadline import Deadline
        with Deadline("stuck kernel", 0.1, pathlib.Path({str(log)!r}), grace_seconds=0.2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # as while an engine starts
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
    """
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert time.monotonic() - began < 30
    assert done.returncode == EXIT_STATUS
    assert "stuck kernel took longer than its deadline of 0.1 s" in done.stderr
    assert str(log) in done.stderr
    assert "Deadline passed: stuck kernel" in log.read_text() and "<string>" in log.read_text()


def test_an_engine_call_has_a_deadline(model_folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = TransformersEngine(engine_settings("transformers", model_folder(False), deadline_seconds=3.0))
    real = engine._model.forward

    def slow(*positional: object, **named: object) -> object:
        time.sleep(0.1)
        return real(*positional, **named)

    monkeypatch.setattr(engine._model, "forward", slow)
    monkeypatch.setattr(engine, "settings", engine_settings("x", model_folder(False), deadline_seconds=0.25))
    began = time.monotonic()
    with pytest.raises(EngineDeadlineError, match="transformers engine: sampling"):
        engine.sample(prompts(2), SamplingSettings(completions_per_prompt=8, max_tokens=200))
    assert time.monotonic() - began < 3
