"""Real processes, real signals: `kill -9` at random moments, Ctrl-C, SIGTERM, and vLLM."""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.run.running import LEARNING, assert_same_run, metrics, newest, start, summary

pytestmark = pytest.mark.slow
KILLS = 10
STEPS = [*LEARNING, "stages.cold_start.steps=6", "stages.rl.steps=12", "checkpoint.every=3"]
DEADLINE = 240.0


def finish(process: subprocess.Popen[str]) -> int:
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, output
    return process.returncode


def wait_for_step(root: Path, step: int) -> None:
    """Until metrics.jsonl has that many lines; raises TimeoutError."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        files = list(root.glob("*/metrics.jsonl"))
        if files and files[0].read_bytes().count(b"\n") >= step:
            return
        time.sleep(0.01)
    raise TimeoutError(f"no step {step} under {root} within {DEADLINE} s")


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    """Until the process prints a line with these words; it is killed after DEADLINE."""
    assert process.stdout is not None
    too_late = threading.Timer(DEADLINE, process.kill)
    too_late.start()
    try:
        assert any(words in line for line in process.stdout), f"ended without {words!r}"
    finally:
        too_late.cancel()


def finished(root: Path) -> bool:
    """Whether the newest run got to its end, as one may just before it is killed."""
    runs = [path for path in root.glob("*") if (path / "run.json").exists() and (path / "summary.json").exists()]
    return bool(runs) and summary(newest(root))["status"] == "finished"


@pytest.mark.parametrize("engine", ["scripted", "transformers"])
def test_kill_at_random_moments(engine: str, tmp_path: Path) -> None:
    """One unbroken run, then one that is killed ten times on its way: the same metrics, rollouts and weights."""
    overrides = [*STEPS, f"rollout={engine}"]
    began = time.monotonic()
    finish(start(tmp_path / "unbroken", *overrides))
    length = time.monotonic() - began
    rng = random.Random(f"kills {engine}")
    root = tmp_path / "killed"
    killed = 0
    while killed < KILLS and not finished(root):
        process = start(root, *overrides, "resume=auto")
        time.sleep(rng.uniform(0.3, 0.9) * length)
        process.kill()
        process.communicate(timeout=DEADLINE)
        killed += 1
    if not finished(root):
        finish(start(root, *overrides, "resume=auto"))
    assert killed >= 2
    assert_same_run(newest(root), newest(tmp_path / "unbroken"))
    assert len([path for path in root.iterdir() if (path / "run.json").exists()]) == 1


@pytest.mark.parametrize("kill_step", [2, 5, 8, 9, 11, 13, 14, 16, 18, 19])
def test_kill_after_a_step(kill_step: int, unbroken: Path, tmp_path: Path) -> None:
    """Ten kill points spread over all stages, each followed by one resume."""
    process = start(tmp_path, *STEPS)
    wait_for_step(tmp_path, kill_step)
    process.kill()
    process.communicate(timeout=DEADLINE)
    finish(start(tmp_path, *STEPS, "resume=auto"))
    assert_same_run(newest(tmp_path), unbroken)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unbroken")
    finish(start(root, *STEPS))
    return newest(root)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_at_a_step_border(number: signal.Signals, code: int, unbroken: Path, tmp_path: Path) -> None:
    process = start(tmp_path, *STEPS)
    wait_for_step(tmp_path, 9)
    process.send_signal(number)
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == code, output
    folder = newest(tmp_path)
    done = len(metrics(folder))
    assert summary(folder)["status"] == "interrupted" and 9 <= done < 20
    assert (folder / "checkpoints" / f"step_{done:06d}").is_dir()
    finish(start(tmp_path, *STEPS, "resume=auto"))
    assert_same_run(folder, unbroken)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    process = start(tmp_path, *STEPS, "stages.rl.prompts_per_step=512", "stages.rl.steps=500")
    wait_for_step(tmp_path, 7)
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "a second signal ends at once")  # two signals within one long call would be one
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    process.communicate(timeout=DEADLINE)
    assert process.returncode == -signal.SIGINT
    assert time.monotonic() - began < 3.0


@pytest.mark.vllm
@pytest.mark.parametrize("oversample", [1.0, 1.5])
def test_vllm_run_killed_and_resumed(oversample: float, tmp_path: Path) -> None:
    """What holds with vLLM on CPU: per-request seeds and a fresh prefix cache make it bit-identical too.

    So does stopping early: what is complete first is counted in engine steps.
    """
    selection = [f"algorithm.selection.oversample={oversample}", "algorithm.selection.refill=true"]
    overrides = [*STEPS, "rollout=vllm", "model.scratch.hidden_size=64", *(selection if oversample > 1 else [])]
    finish(start(tmp_path / "unbroken", *overrides))
    process = start(tmp_path / "killed", *overrides)
    wait_for_step(tmp_path / "killed", 12)
    process.kill()
    process.communicate(timeout=DEADLINE)
    finish(start(tmp_path / "killed", *overrides, "resume=auto"))
    assert_same_run(newest(tmp_path / "killed"), newest(tmp_path / "unbroken"))
