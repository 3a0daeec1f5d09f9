"""Accounts of real runs: died, killed and resumed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from grpo.cost.project import read_past
from grpo.report import write_report
from grpo.stages.evaluate import Evaluator
from grpo.stages.evaluation import Evaluation
from grpo.track.tracker import Tracker
from grpo.types import StepMetrics
from tests.run.running import LEARNING, metrics, newest, run_here, start, summary

STEPS = [
    *LEARNING,
    "pipeline=[cold_start,cold_start_eval]",
    "stages.cold_start.steps=5",
    "checkpoint.every=2",
    "cost.price_per_device_hour=2",
]
"""6 steps of the run: 5 cold start, 1 evaluation; checkpoints at 2 and 4."""
TOKENS = ("tokens_sampled", "tokens_prompted", "tokens_trained")


class Died(BaseException):
    """Stands for a crash; nothing catches it."""


def ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "cost.jsonl").read_text().splitlines()]


def seconds(lines: list[dict[str, Any]]) -> float:
    return sum(line["seconds"] for line in lines if line["event"] == "work")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run that died after step 4 was logged and before its checkpoint was written, then went on; one that did not."""
    root = tmp_path_factory.mktemp("project")
    log = Tracker.log

    def dying(self: Tracker, line: StepMetrics) -> None:
        log(self, line)
        if line.step == 4:
            raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "log", dying)
        with pytest.raises(Died):
            run_here(root, *STEPS)
    died = newest(root)
    assert summary(died)["status"] == "failed" and summary(died)["cost"]["loaded"]["failed"] == 1
    code, resumed = run_here(root, *STEPS, "resume=auto")
    assert code == 0 and resumed == died
    code, whole = run_here(root, *STEPS)
    assert code == 0
    return resumed, whole


def test_every_second_and_token_is_counted_and_what_was_lost_is_known(both: tuple[Path, Path]) -> None:
    resumed, whole = both
    lines, found = ledger(resumed), summary(resumed)
    steps = [line["step"] for line in lines if line.get("part") == "step"]
    assert steps == [1, 2, 3, 4, 3, 4, 5, 6]
    assert [line.get("resume_step") for line in lines if line["event"] == "start"] == [None, 2]
    final, stage = found["cost"]["final"], found["stages"]["cold_start"]
    assert final["wall_seconds"] == pytest.approx(seconds(lines))
    assert final["device_hours"] == pytest.approx(seconds(lines) / 3600)
    assert final["amount"] == pytest.approx(2 * seconds(lines) / 3600)
    lost = [line for line in lines if line.get("part") == "step" and line["step"] in (3, 4)][:2]
    assert final["lost"]["steps"] == 2 and final["lost"]["wall_seconds"] == pytest.approx(seconds(lost))
    assert stage["lost"]["tokens_trained"] == sum(line["tokens_trained"] for line in lost) > 0
    same = summary(whole)["stages"]["cold_start"]
    assert stage["tokens_trained"] == same["tokens_trained"] == same["used"]["tokens_trained"]
    assert stage["used"]["tokens_trained"] == same["tokens_trained"] + stage["lost"]["tokens_trained"]
    evaluation = found["stages"]["cold_start_eval"]
    assert [evaluation["used"][key] for key in TOKENS] == [evaluation[key] for key in TOKENS]


def test_loaded_is_the_sum_of_the_folder(both: tuple[Path, Path]) -> None:
    resumed, whole = both
    one, two = summary(resumed)["cost"], summary(whole)["cost"]
    assert one["loaded"]["runs"] == 1 and two["loaded"]["runs"] == 2 and two["loaded"]["finished"] == 2
    assert two["loaded"]["device_hours"] == pytest.approx(one["final"]["device_hours"] + two["final"]["device_hours"])
    assert two["loaded"]["amount"] == pytest.approx(one["final"]["amount"] + two["final"]["amount"])
    last = [line for line in metrics_with_cost(whole) if "cost/final" in line]
    assert [line["step"] for line in last] == [5, 6], "the last step of each stage"
    assert last[-1]["cost/loaded"] > last[-1]["cost/final"] > 0
    for name in ("final", "loaded"):
        assert last[-1][f"cost/{name}_amount"] == pytest.approx(2 * last[-1][f"cost/{name}"])


def metrics_with_cost(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_the_second_run_was_estimated_by_the_first(both: tuple[Path, Path]) -> None:
    first, second = (summary(folder)["cost"]["estimate"] for folder in both)
    assert first["basis"] == "arithmetic" and (second["basis"], second["runs"]) == ("past runs", 1)
    used = summary(both[0])["stages"]
    expected = sum(stage["device_hours"] - stage["lost"]["device_hours"] for stage in used.values())
    assert second["device_hours"] == pytest.approx(expected), "the same config: what the first took, without repeats"
    actual = summary(both[1])["cost"]["final"]["device_hours"]
    assert second["actual_over_estimate"] == pytest.approx(actual / second["device_hours"])


def test_the_report_has_both_numbers_and_the_estimate(both: tuple[Path, Path]) -> None:
    page = (both[1] / "report.html").read_text()
    cost = summary(both[1])["cost"]
    for key in ("final", "loaded"):
        assert f"{cost[key]['device_hours']:.4f}" in page and f"{cost[key]['amount']:.4f} USD" in page
    assert "Fully loaded: all 2 run(s) of the run root" in page and "by 1 earlier run(s)" in page
    assert f"it took {cost['estimate']['actual_over_estimate']:.2f} times that" in page
    assert "2 step(s)" in (both[0] / "report.html").read_text()


def test_a_run_killed_before_its_summary_grew_is_costed_from_its_ledger(both: tuple[Path, Path]) -> None:
    """The summary goes back to what it was when the run began, as a kill leaves it."""
    folder = both[1]
    kept = (folder / "summary.json").read_text()
    content = json.loads(kept) | {"status": "running", "stages": {}}
    for name in ("final", "loaded"):
        content["cost"][name] |= {"device_hours": 0.0, "wall_seconds": 0.0, "amount": 0.0}
    (folder / "summary.json").write_text(json.dumps(content))
    try:
        past = read_past(folder)
        assert past is not None and past.status == "killed"
        assert past.usage.wall_seconds == pytest.approx(seconds(ledger(folder)))
        page = write_report(folder).read_text()
        assert f'<td class="num">{past.usage.device_hours:.4f}</td>' in page
    finally:
        (folder / "summary.json").write_text(kept)


@pytest.mark.slow
def test_kill_9_loses_at_most_the_step_under_way(tmp_path: Path) -> None:
    steps = [*STEPS, "stages.cold_start.steps=40", "checkpoint.every=7"]
    for lines_wanted, resume in ((10, "never"), (25, "auto")):
        process = start(tmp_path, *steps, f"resume={resume}")
        began = time.monotonic()
        while not (files := list(tmp_path.glob("*/metrics.jsonl"))) or lines_in(files[0]) < lines_wanted:
            assert time.monotonic() - began < 240 and process.poll() is None
            time.sleep(0.005)
        process.kill()
        process.communicate(timeout=60)
        folder = newest(tmp_path)
        logged = len(metrics(folder))
        (last,) = [line["step"] for line in ledger(folder) if line.get("part") == "step"][-1:]
        assert logged <= last <= logged + 1, "a step is paid for before it is logged"
        past = read_past(folder)
        assert past is not None and past.status == "killed" and past.usage.wall_seconds == seconds(ledger(folder))
    code, folder = run_here(tmp_path, *steps, "resume=auto")
    lines, found = ledger(folder), summary(folder)
    done = [line["step"] for line in lines if line.get("part") == "step"]
    assert code == 0 and sorted(set(done)) == list(range(1, 42))
    assert found["cost"]["final"]["lost"]["steps"] == len(done) - 41
    assert found["cost"]["final"]["wall_seconds"] == pytest.approx(seconds(lines))


def lines_in(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def test_what_an_evaluation_sampled_before_it_died_is_lost_and_counted(tmp_path: Path) -> None:
    evaluate = Evaluator.evaluate

    def dying(self: Evaluator, mode: str) -> Evaluation:
        if mode == "greedy":
            raise Died
        return evaluate(self, mode)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evaluator, "evaluate", dying)
        with pytest.raises(Died):
            run_here(tmp_path, *STEPS)
    code, folder = run_here(tmp_path, *STEPS, "resume=auto")
    calls = [line for line in ledger(folder) if line.get("part") == "sample"]
    stage = summary(folder)["stages"]["cold_start_eval"]
    assert code == 0 and [line["step"] for line in calls] == [6, 6, 6]
    assert calls[0]["tokens_sampled"] == calls[1]["tokens_sampled"] == stage["lost"]["tokens_sampled"] > 0
    assert stage["used"]["tokens_sampled"] == stage["tokens_sampled"] + stage["lost"]["tokens_sampled"]
    assert stage["lost"]["wall_seconds"] == pytest.approx(calls[0]["seconds"]) and stage["lost"]["steps"] == 0
