"""Requests go through JSON, know their models, and are found again; the runner runs what is not."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.learning import finished
from benchmarks.learning import runner as module
from benchmarks.learning.finished import keep
from benchmarks.learning.requests import Request, keep_model, request_from
from benchmarks.learning.runner import Runner, work_off

COLD = Request(name="cold", overrides=("seed=1",), keeps="cold_start")
RUN = Request(name="run", overrides=("lr=2",), models=(("stages.rl.model_from", COLD),), marks=(5, 9))


def test_requests_go_through_json(tmp_path: Path) -> None:
    assert request_from(json.loads(json.dumps(RUN.as_json()))) == RUN
    assert RUN.filled(tmp_path) == ["lr=2", f"stages.rl.model_from={COLD.model(tmp_path)}"]


@pytest.mark.parametrize("change", [{"overrides": ("seed=2",)}, {"keeps": "rl"}, {"marks": (1,)}, {"name": "b"}])
def test_whatever_changes_a_request_moves_its_model(change: dict[str, Any], tmp_path: Path) -> None:
    """And of a run that starts from it, since its own model would be another."""
    other = replace(COLD, **change)
    assert other.model(tmp_path) != COLD.model(tmp_path)
    assert replace(RUN, models=(("stages.rl.model_from", other),)).digest != RUN.digest


def test_a_result_whose_model_is_gone_is_no_result(tmp_path: Path) -> None:
    runner = Runner("nowhere", 1, tmp_path, time.monotonic() - 1)
    keep(COLD.file(tmp_path), COLD.as_json(), {"accuracy": 0.5})
    assert runner.found(COLD) is None and runner(COLD) is None  # past the deadline nothing is run
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "config.json").write_text("{}")
    keep_model(tmp_path / "made", COLD.model(tmp_path))
    found = runner(COLD)
    assert found is not None and found["accuracy"] == 0.5
    assert [path.name for path in (tmp_path / "models").iterdir()] == [f"cold-{COLD.digest}"]


def test_the_runner_runs_what_is_missing_and_no_more_at_once_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, orders = [0], [0], list[str]()

    def run(words: list[str], **_: Any) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.02)
        orders.append(request_from(json.loads(words[-1])["request"]).name)
        assert work_off(words[-1], lambda request, work, root: root.mkdir(parents=True) or {"value": 1}) == 0
        running[0] -= 1

    monkeypatch.setattr(finished, "git_commit", lambda: "abc")
    monkeypatch.setattr(module.subprocess, "run", run)
    requests = [Request(name=str(number), overrides=()) for number in range(5)]
    runner = Runner("nowhere", 2, tmp_path, time.monotonic() + 60)
    runner.together(requests)
    assert sorted(orders) == ["0", "1", "2", "3", "4"] and most[0] == 2
    runner.together(requests)
    assert len(orders) == 5


def test_a_failure_is_written_down(tmp_path: Path) -> None:
    def fails(request: Request, work: Path, root: Path) -> dict[str, Any]:
        raise ValueError("no such knob")

    order = json.dumps({"request": COLD.as_json(), "work": str(tmp_path)})
    assert work_off(order, fails) == 1
    assert json.loads(COLD.file(tmp_path).read_text())["reason"] == "ValueError: no such knob"
