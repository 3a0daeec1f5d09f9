"""A run that died anywhere goes on with the same command and `resume=auto`, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from grpo.stages.context import InterruptedRun, RunContext
from grpo.track.tracker import Tracker
from grpo.types import StepMetrics
from tests.run.running import LEARNING, assert_same_run, metrics, newest, run_here, summary

STEPS = [*LEARNING, "stages.cold_start.steps=3", "stages.rl.steps=4", "checkpoint.every=2"]
"""9 steps of the run: 3 cold start, 1 evaluation, 4 reinforcement, 1 evaluation; checkpoints at 2, 6."""


class Died(BaseException):
    """Stands for a crash; nothing catches it."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    code, folder = run_here(tmp_path_factory.mktemp("unbroken"), *STEPS)
    assert code == 0
    return folder


def die_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Tracker.log

    def dying(self: Tracker, line: StepMetrics) -> None:
        log(self, line)
        if line.step == step:
            raise Died

    monkeypatch.setattr(Tracker, "log", dying)


@pytest.mark.parametrize("step", [1, 3, 4, 7, 9])
def test_a_run_that_died_goes_on(step: int, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        die_after(step, patch)
        with pytest.raises(Died):
            run_here(tmp_path, *STEPS)
    died = newest(tmp_path)
    assert len(metrics(died)) == step and summary(died)["status"] == "failed"
    code, folder = run_here(tmp_path, *STEPS, "resume=auto")
    assert code == 0 and folder == died
    assert_same_run(folder, unbroken)
    assert summary(folder)["eval"] == summary(unbroken)["eval"]
    sampled = {name: stage["tokens_sampled"] for name, stage in summary(folder)["stages"].items()}
    assert sampled == {name: stage["tokens_sampled"] for name, stage in summary(unbroken)["stages"].items()}


def test_dying_twice_is_no_worse(unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step, resume in ((2, "never"), (8, "auto")):
        with monkeypatch.context() as patch:
            die_after(step, patch)
            with pytest.raises(Died):
                run_here(tmp_path, *STEPS, f"resume={resume}")
    _, folder = run_here(tmp_path, *STEPS, "resume=auto")
    assert_same_run(folder, unbroken)


def test_interrupted_run_has_a_checkpoint_at_the_border(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        asked = property(lambda self: "SIGTERM" if calls[0] >= 5 else None)
        calls = [0]
        log = Tracker.log

        def counting(self: Tracker, line: StepMetrics) -> None:
            log(self, line)
            calls[0] = line.step

        patch.setattr(Tracker, "log", counting)
        patch.setattr("grpo.run.interrupt.Interruption.requested", asked)
        run_here(tmp_path, *STEPS)
    stopped = newest(tmp_path)
    assert summary(stopped)["status"] == "interrupted"
    assert (stopped / "checkpoints" / "step_000005").is_dir() and len(metrics(stopped)) == 5
    assert (stopped / "report.html").exists()
    _, folder = run_here(tmp_path, *STEPS, "resume=auto")
    assert_same_run(folder, unbroken)


def test_damaged_newest_checkpoint_falls_back(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [*STEPS, "stages.rl.steps=5"]
    with monkeypatch.context() as patch:
        die_after(9, patch)
        with pytest.raises(Died):
            run_here(tmp_path / "broken", *steps)
    weights = newest(tmp_path / "broken") / "checkpoints" / "step_000008" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    _, folder = run_here(tmp_path / "broken", *steps, "resume=auto")
    assert "step_000008 is damaged" in capsys.readouterr().out
    _, whole = run_here(tmp_path / "whole", *steps)
    assert_same_run(folder, whole)


def test_finished_run_is_not_resumed(unbroken: Path) -> None:
    code, folder = run_here(unbroken.parent, *STEPS, "resume=auto")
    assert code == 0 and folder != unbroken


def test_stop_if_asked_names_the_signal() -> None:
    class Asked:
        requested = "SIGINT"

    context = object.__new__(RunContext)
    context.interruption = Asked()  # type: ignore[assignment]
    with pytest.raises(InterruptedRun, match="SIGINT"):
        context.stop_if_asked()
