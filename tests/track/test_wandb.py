"""What Weights & Biases does, or fails to do, never reaches the run."""

import json
import os
import struct
import subprocess
import sys
import threading
import time
import types

import pytest

from grpo.track import wandb_writer
from grpo.track.wandb_writer import WandbLimits, WandbWriter, wandb_mode
from grpo.track.writer import RunHeader
from grpo.types import StepMetrics

SHORT = WandbLimits(init_seconds=5, finish_seconds=0.3, poll_seconds=0.01, queued_steps=4)


class FakeRun:
    def __init__(self, module):
        self.module = module

    def log(self, values, step):
        self.module.act("log")
        self.module.logged.append((step, values))

    def finish(self, exit_code):
        self.module.act("finish")
        self.module.exit_codes.append(exit_code)


class FakeWandb(types.ModuleType):
    """`place` is where it goes wrong (init, log, finish), `how` what happens there."""

    def __init__(self, place="", how=None):
        super().__init__("wandb")
        self.place, self.how = place, how
        self.logged, self.exit_codes, self.init_arguments = [], [], {}

    def act(self, place):
        if place == self.place:
            self.how()

    def Settings(self, **settings):
        return settings

    def setup(self, settings):
        return None

    def init(self, **arguments):
        self.init_arguments = arguments
        self.act("init")
        return FakeRun(self)


def hang():
    threading.Event().wait(30)


def fail():
    raise ConnectionError("server said no")


def die():
    raise SystemExit(1)


@pytest.fixture
def opened(tmp_path, monkeypatch):
    monkeypatch.setattr(wandb_writer, "_end_service", lambda: None)

    def open_(module):
        monkeypatch.setitem(sys.modules, "wandb", module)
        said = []
        header = RunHeader(folder=tmp_path / "2026 run#1", run_name="n", config={"a": 1}, resume_step=None)
        return WandbWriter(header, "project", said.append, SHORT), said

    return open_


def metrics(number):
    return StepMetrics(step=number, stage="rl", stage_step=number, values={"reward": float(number)})


def test_everything_is_sent_in_order(opened):
    module = FakeWandb()
    writer, said = opened(module)
    for number in (1, 2, 3):
        writer.log(metrics(number))
    writer.close("finished")
    assert module.logged == [(n, {"reward": float(n), "stage_step": n}) for n in (1, 2, 3)]
    assert module.exit_codes == [0]
    assert said == []
    assert module.init_arguments["id"] == "2026-run-1"
    assert module.init_arguments["resume"] == "allow"


@pytest.mark.parametrize("place", ["init", "log", "finish"])
@pytest.mark.parametrize("how", [hang, fail, die])
def test_trouble_stays_inside_and_is_said_once(opened, place, how):
    writer, said = opened(FakeWandb(place, how))
    started = time.monotonic()
    for number in range(1, 3):
        writer.log(metrics(number))
    writer.close("finished")
    assert time.monotonic() - started < 2
    assert len(said) == 1
    assert ("not finished after 0.3 s" if how is hang else "disabled after") in said[0]


def test_a_slow_server_costs_metrics_not_time(opened):
    writer, said = opened(FakeWandb("init", hang))
    started = time.monotonic()
    for number in range(1, 101):
        writer.log(metrics(number))
    assert time.monotonic() - started < 1
    writer.close("finished")
    assert said[0] == "wandb: 96 steps dropped because it could not keep up"


def test_nothing_is_said_after_close_gave_up(opened):
    release = threading.Event()

    def late_failure():
        release.wait(10)
        raise ConnectionError("too late")

    writer, said = opened(FakeWandb("init", late_failure))
    writer.close("finished")
    release.set()
    writer._thread.join(5)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "k"}, "online"),
        ({"WANDB_MODE": "disabled"}, None),
        ({"WANDB_MODE": "offline", "WANDB_API_KEY": "k"}, None),
    ],
)
def test_mode(environment, mode):
    assert wandb_mode(environment) == mode


def test_broken_package_is_an_error_at_the_start(opened, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    header = RunHeader(folder=None, run_name="n", config={}, resume_step=None)
    with pytest.raises(ValueError, match=r"pip install -e \.\[wandb\]"):
        WandbWriter(header, "p", print)


def records(path):
    """Payloads of a `.wandb` file: LevelDB's log format, 32 KiB blocks after a 7-byte header."""
    data = path.read_bytes()
    place, parts = 7, []
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        parts.append(data[place + 7 : place + 7 + length])
        place += 7 + length
        if kind in (1, 4):
            yield b"".join(parts)
            parts = []


OFFLINE_RUN = """
from pathlib import Path
from grpo.config.slices import LoggerConfig
from grpo.track.tracker import open_tracker
from grpo.types import StepMetrics
import sys
config = LoggerConfig()
config.wandb.enabled = True
tracker = open_tracker(Path(sys.argv[1]), config, "n", {"hub_token": "hidden-in-config", "seed": 7}, None)
for n in (1, 2, 3):
    tracker.log(StepMetrics(step=n, stage="rl", stage_step=n, values={"reward": n / 4}))
tracker.close("finished")
"""


def test_offline_run_reads_back(tmp_path):
    """The real package, offline: history and config are in the run folder, secrets are not."""
    pytest.importorskip("wandb", reason="the wandb extra is not installed")
    from wandb.proto.wandb_internal_pb2 import Record

    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    environment["FAKE_SERVICE_KEY"] = "hidden-in-environment"
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE_RUN, str(tmp_path / "run")],
        env=environment,
        timeout=60,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    (path,) = (tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb")
    found = [Record.FromString(payload) for payload in records(path)]
    history = []
    for record in found:
        if record.HasField("history"):
            row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            history.append((row["_step"], row["reward"]))
    assert history == [(1, 0.25), (2, 0.5), (3, 0.75)]
    config = {
        item.key: json.loads(item.value_json)
        for record in found
        if record.HasField("run")
        for item in record.run.config.update
    }
    assert (config["seed"], config["hub_token"]) == (7, "[redacted]")
    assert b"hidden-in" not in path.read_bytes()
    assert list((tmp_path / "run" / "metrics.jsonl").read_text().splitlines())[2].startswith('{"step": 3')
