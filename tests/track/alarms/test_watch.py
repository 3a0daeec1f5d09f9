"""Rings once, stays on until it has cleared, and a replay of the lines gives the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grpo.config.slices import LoggerConfig
from grpo.track.alarms import ALARMS
from grpo.track.alarms.watch import AlarmWatch
from grpo.track.jsonl import read_metrics
from grpo.track.names import describe
from grpo.track.tracker import open_tracker
from grpo.types import StepMetrics

CUT = "completions/clipped_ratio"


def line(step: int, value: float, stage: str = "rl") -> StepMetrics:
    return StepMetrics(step=step, stage=stage, stage_step=step, values={CUT: value})


def watched(watch: AlarmWatch, values: list[float], stage: str = "rl", first: int = 1) -> list[float | None]:
    """The metric `alarm/truncation` after each step; None where it is absent."""
    lines = (line(step, value, stage) for step, value in enumerate(values, start=first))
    return [watch.observe(one)[0].get("alarm/truncation") for one in lines]


def test_it_rings_once_until_it_has_cleared() -> None:
    """On after 5 steps above; off after 5 without a finding; then it may ring again."""
    watch = AlarmWatch()
    values = [0.5] * 6 + [0.0, 0.5, 0.0, 0.0, 0.0] + [0.5] * 5
    on = [None] * 4 + [1.0] * 6 + [0.0] + [None] * 4 + [1.0]
    assert watched(watch, values) == on
    assert [(ring.name, ring.step) for ring in watch.rings] == [("truncation", 5), ("truncation", 16)]


def test_a_short_pause_does_not_ring_again() -> None:
    watch = AlarmWatch()
    assert watched(watch, [0.5] * 5 + [0.0] + [0.5] * 5) == [None] * 4 + [1.0] * 5 + [0.0] + [1.0] == [
        None, None, None, None, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0
    ]  # fmt: skip


def test_a_new_stage_begins_anew() -> None:
    watch = AlarmWatch()
    watched(watch, [0.5] * 5)
    assert watched(watch, [0.5] * 5, "rl2", first=6) == [None] * 4 + [1.0]
    assert [(ring.stage, ring.step) for ring in watch.rings] == [("rl", 5), ("rl2", 10)]


def test_what_a_ring_says() -> None:
    watch = AlarmWatch()
    _, rings = [watch.observe(line(step, 0.23)) for step in range(8, 13)][-1]
    assert rings == watch.rings
    found = "23% of the completions are cut off at the limit for 5 steps; raise rollout.max_tokens"
    assert rings[0].line().startswith(f"ALARM truncation at step 12 (rl): {found}")
    assert rings[0].entry() == {"name": "truncation", "stage": "rl", "step": 12, "text": rings[0].text}


def test_silenced() -> None:
    watch = AlarmWatch(off=["truncation"])
    assert watched(watch, [0.5] * 9) == [None] * 9 and watch.rings == []


@pytest.mark.parametrize("cut", [3, 5, 7, 11, 12])
def test_a_replay_of_the_lines_is_the_same_watch(cut: int, tmp_path: Path) -> None:
    values = [0.5, 0.5, float("nan"), 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0] + [0.5] * 5
    whole, resumed = AlarmWatch(), AlarmWatch()
    tracker = open_tracker(tmp_path, LoggerConfig(), "run", {}, None)
    expected = []
    for step, value in enumerate(values, start=1):
        one = line(step, value)
        marks, rings = whole.observe(one)
        expected.append((marks, rings))
        if step <= cut:
            tracker.log(StepMetrics(step=step, stage="rl", stage_step=step, values={**one.values, **marks}))
    tracker.close("interrupted")
    resumed.replay(read_metrics(tmp_path / "metrics.jsonl"))
    after = [resumed.observe(line(step, value)) for step, value in enumerate(values, start=1) if step > cut]
    assert after == expected[cut:] and resumed.rings == whole.rings and len(whole.rings) == 2


def test_read_metrics_gives_back_what_was_logged(tmp_path: Path) -> None:
    tracker = open_tracker(tmp_path, LoggerConfig(), "run", {}, None)
    tracker.log(StepMetrics(step=3, stage="rl", stage_step=1, values={"reward": 0.1 + 0.2, "loss": float("nan")}))
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["loss"] is None
    (row,) = read_metrics(tmp_path / "metrics.jsonl")
    assert row == StepMetrics(step=3, stage="rl", stage_step=1, values={"reward": 0.1 + 0.2})


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_explains_itself(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm.when.endswith(".") and alarm.meaning.endswith(".")
    assert alarm.advice[0].islower() and not alarm.advice.endswith(".") and alarm.source
    assert "|" not in alarm.when + alarm.meaning + alarm.advice + alarm.source, "it would break the table"
    metric = describe(f"alarm/{name}")
    assert metric is not None and not metric.timed
    assert (Path(__file__).parents[3] / "grpo" / "track" / "alarms" / f"{name}.py").is_file()
