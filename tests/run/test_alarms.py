"""An alarm that stops a run, and alarms over a resume: they are what they would have been."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.run.running import LEARNING, assert_same_run, metrics, newest, run_here, summary
from tests.run.test_resume import Died, die_after

ALARMING = [
    *LEARNING,
    "pipeline=[cold_start,rl,export]",
    "stages.cold_start.steps=1",
    "stages.rl.steps=8",
    "checkpoint.every=3",
]
"""Random text of 8 tokens never ends by itself: truncation rings at the fifth step of rl, the sixth of the run."""
RING = 6


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    code, folder = run_here(tmp_path_factory.mktemp("unbroken"), *ALARMING)
    assert code == 0
    (ring,) = summary(folder)["alarms"]
    assert (ring["name"], ring["stage"], ring["step"]) == ("truncation", "rl", RING)
    on = [line["step"] for line in metrics(folder) if line.get("alarm/truncation") == 1.0]
    assert on == [6, 7, 8, 9]
    return folder


@pytest.mark.parametrize("step", [6, 8])
def test_alarms_of_a_resumed_run_are_those_of_the_unbroken_one(
    step: int, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints after steps 4 and 7: with the one the ring comes anew, with the other from the lines kept."""
    with monkeypatch.context() as patch:
        die_after(step, patch)
        with pytest.raises(Died):
            run_here(tmp_path, *ALARMING)
    code, folder = run_here(tmp_path, *ALARMING, "resume=auto")
    assert code == 0
    assert_same_run(folder, unbroken)
    assert summary(folder)["alarms"] == summary(unbroken)["alarms"]
    assert (folder / "run.log").read_text().count("ALARM") == 1


def test_an_alarm_stops_the_run_and_it_can_go_on(unbroken: Path, tmp_path: Path) -> None:
    code, folder = run_here(tmp_path, *ALARMING, "alarms.stop=[truncation]")
    assert code == 3
    found = summary(folder)
    assert found["status"] == "stopped" and found["error"].startswith(f"ALARM truncation at step {RING} (rl): ")
    assert len(metrics(folder)) == RING and (folder / "checkpoints" / f"step_{RING:06d}").is_dir()
    page = (folder / "report.html").read_text()
    assert "stopped by an alarm, can be resumed" in page
    code, again = run_here(tmp_path, *ALARMING, "alarms.stop=[truncation]", "resume=auto")
    assert code == 0 and again == folder, "what is on already does not stop it again"
    assert_same_run(folder, unbroken)
    assert summary(folder)["status"] == "finished" and summary(folder)["alarms"] == summary(unbroken)["alarms"]


def test_other_alarms_may_be_asked_for_on_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_here(tmp_path, *ALARMING, "alarms.stop=[truncation]", "logger.console=true")
    assert f"ALARM truncation at step {RING}" in capsys.readouterr().out
    code, folder = run_here(tmp_path, *ALARMING, "alarms.off=[truncation]", "resume=auto", "logger.console=true")
    assert code == 0 and folder == newest(tmp_path) and len(list(tmp_path.iterdir())) == 1
    assert summary(folder)["alarms"] == [] and "ALARM" not in capsys.readouterr().out
    assert [line["step"] for line in metrics(folder) if "alarm/truncation" in line] == [RING], "the line kept"


def test_a_ring_in_a_stages_last_step_stops_at_the_border(tmp_path: Path) -> None:
    code, folder = run_here(tmp_path, *ALARMING, "stages.rl.steps=5", "alarms.stop=[truncation]")
    assert code == 3 and (folder / "stages" / "rl" / "done.json").exists() and not (folder / "model").exists()
    code, folder = run_here(tmp_path, *ALARMING, "stages.rl.steps=5", "alarms.stop=[truncation]", "resume=auto")
    assert code == 0 and (folder / "model").exists()
