import math

import pytest

from grpo.config.slices import LoggerConfig
from grpo.track.tracker import open_tracker
from grpo.types import StepMetrics

pytest.importorskip("tensorboard", reason="the tensorboard extra is not installed")


def write(folder, steps, resume_step=None):
    tracker = open_tracker(folder, LoggerConfig(tensorboard=True), "n", {}, resume_step)
    for number, reward in steps:
        tracker.log(StepMetrics(step=number, stage="rl", stage_step=number, values={"reward": reward}))
    tracker.close("finished")


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("reward")]


def test_scalars_read_back(tmp_path):
    write(tmp_path, [(1, 0.25), (2, 0.5), (3, math.nan)])
    found = read(tmp_path)
    assert found[:2] == [(1, 0.25), (2, 0.5)]
    assert math.isnan(found[2][1])


def test_resume_replaces_what_was_cut(tmp_path):
    write(tmp_path, [(1, 0.25), (2, 0.5), (3, 0.75)])
    write(tmp_path, [(3, 1.0)], resume_step=2)
    assert read(tmp_path) == [(1, 0.25), (2, 0.5), (3, 1.0)]
