import json
import math
import subprocess
import sys
from dataclasses import fields

import pytest

from grpo.config.slices import FileLoggerConfig, LoggerConfig
from grpo.track.records import RolloutRecord, ScoredCompletion, ScoredGroup
from grpo.track.tracker import Tracker, open_tracker
from grpo.types import StepMetrics


def step(number, **values):
    return StepMetrics(step=number, stage="rl", stage_step=number, values=values)


def record(number, text="hi"):
    completion = ScoredCompletion(
        text=text,
        token_ids=(5, 6),
        finish_reason="stop",
        weight_version=3,
        total=1.0,
        rewards=(("a", 1.0), ("b", None)),
        advantage=math.nan,
        extra=(("wanted", "7"),),
    )
    group = ScoredGroup(problem_id="p1", prompt_text="1+1=", answer="2", completions=(completion,))
    return RolloutRecord(step=number, stage="rl", groups=(group,))


def lines(path):
    return [json.loads(line, parse_constant=pytest.fail) for line in path.read_bytes().split(b"\n")[:-1]]


def test_a_line_is_on_disk_when_log_returns(tmp_path):
    tracker = open_tracker(tmp_path, LoggerConfig(), "n", {}, None)
    tracker.log(step(1, reward=0.5, loss=math.nan, kl=math.inf))
    (row,) = lines(tmp_path / "metrics.jsonl")
    assert row.pop("wall_time") > 1.6e9
    assert row == {"step": 1, "stage": "rl", "stage_step": 1, "reward": 0.5, "loss": None, "kl": None}


def test_floats_survive_exactly(tmp_path):
    tracker = open_tracker(tmp_path, LoggerConfig(), "n", {}, None)
    tracker.log(step(1, reward=0.1 + 0.2, loss=5e-324))
    (row,) = lines(tmp_path / "metrics.jsonl")
    assert (row["reward"], row["loss"]) == (0.1 + 0.2, 5e-324)


def test_rollouts_keep_groups_and_any_text(tmp_path):
    tracker = open_tracker(tmp_path, LoggerConfig(), "n", {}, None)
    hostile = "\u2028</script>\n\x00 é \ud800"
    tracker.log_groups(record(10, hostile))
    (row,) = lines(tmp_path / "rollouts" / "step_000010.jsonl")
    assert row == {
        "step": 10,
        "stage": "rl",
        "problem_id": "p1",
        "prompt": "1+1=",
        "answer": "2",
        "completions": [
            {
                "text": hostile,
                "token_ids": [5, 6],
                "finish_reason": "stop",
                "weight_version": 3,
                "rewards": {"a": 1.0, "b": None},
                "total": 1.0,
                "advantage": None,
                "error": None,
                "extra": {"wanted": "7"},
            }
        ],
    }


@pytest.mark.parametrize(("every", "written"), [(0, []), (1, [1, 2, 3, 4]), (2, [2, 4])])
def test_rollouts_every(tmp_path, every, written):
    tracker = open_tracker(tmp_path, LoggerConfig(file=FileLoggerConfig(rollouts_every=every)), "n", {}, None)
    for number in range(1, 5):
        assert tracker.wants_groups(number) == (number in written)
        tracker.log_groups(record(number))
    assert [int(path.stem[5:]) for path in sorted(tmp_path.glob("rollouts/*"))] == written


def test_resume_cuts_and_goes_on(tmp_path):
    tracker = open_tracker(tmp_path, LoggerConfig(), "n", {}, None)
    for number in (1, 2, 3):
        tracker.log(step(number, reward=1.0))
        tracker.log_groups(record(number))
    resumed = open_tracker(tmp_path, LoggerConfig(), "n", {}, 2)
    resumed.log(step(3, reward=2.0))
    resumed.close("finished")
    assert [(row["step"], row["reward"]) for row in lines(tmp_path / "metrics.jsonl")] == [(1, 1.0), (2, 1.0), (3, 2.0)]
    assert len(list(tmp_path.glob("rollouts/*"))) == 2
    assert "resumed after step 2: took back 1 metric lines" in (tmp_path / "run.log").read_text()


def test_a_new_run_never_mixes_with_an_old_one(tmp_path):
    open_tracker(tmp_path, LoggerConfig(), "n", {}, None).log(step(1))
    with pytest.raises(ValueError, match="already has metrics"):
        open_tracker(tmp_path, LoggerConfig(), "n", {}, None)


def test_killed_process_loses_no_finished_line(tmp_path):
    code = (
        "import os, signal; from pathlib import Path; from grpo.config.schema import LoggerConfig\n"
        "from grpo.track.tracker import open_tracker; from grpo.types import StepMetrics\n"
        f"tracker = open_tracker(Path({str(tmp_path)!r}), LoggerConfig(), 'n', {{}}, None)\n"
        "for n in range(1, 101): tracker.log(StepMetrics(step=n, stage='rl', stage_step=n, values={'reward': n}))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == -9
    assert [row["step"] for row in lines(tmp_path / "metrics.jsonl")] == list(range(1, 101))


def test_run_log_holds_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "super-secret-value")
    tracker = open_tracker(tmp_path, LoggerConfig(), "n", {}, None)
    tracker.message("failed with super-secret-value")
    tracker.close("failed")
    tracker.close("failed")
    text = (tmp_path / "run.log").read_text()
    assert "super-secret-value" not in text
    assert text.count("run failed") == 1


@pytest.mark.parametrize("package", ["tensorboard", "wandb"])
def test_missing_package_is_named_before_anything_is_written(tmp_path, monkeypatch, package):
    config = LoggerConfig(tensorboard=package == "tensorboard")
    config.wandb.enabled = package == "wandb"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"pip install -e \.\[{package}\]"):
        open_tracker(tmp_path, config, "n", {}, None)
    assert list(tmp_path.iterdir()) == []


def test_quiet_tracker_takes_everything():
    tracker = Tracker(())
    tracker.stage_started("rl", "reinforce", 3)
    tracker.log(step(1))
    tracker.log_groups(record(1))
    tracker.message("x")
    tracker.close("finished")
    assert not tracker.wants_groups(1)


def test_file_row_has_every_field_of_the_record(tmp_path):
    tracker = open_tracker(tmp_path, LoggerConfig(), "n", {}, None)
    tracker.log_groups(record(1))
    (row,) = lines(tmp_path / "rollouts" / "step_000001.jsonl")
    assert set(row["completions"][0]) == {field.name for field in fields(ScoredCompletion)}
