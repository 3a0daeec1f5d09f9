"""The plan's configs and budgets, runs that stop at equal cost, the record by hand, and a small one of everything."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.improvement import __main__ as command
from benchmarks.improvement.cost import Spent, by_step
from benchmarks.improvement.marks import marked
from benchmarks.improvement.picture import PICTURE, drawing, lines_of
from benchmarks.improvement.plan import POINTS, SIDES, Plan, follow, points_spent, student_marks
from benchmarks.improvement.record import lines, record_of
from benchmarks.improvement.worker import evaluations
from benchmarks.learning.finished import keep, keep_failure
from benchmarks.learning.requests import Request
from benchmarks.learning.task import RL, TaskSizes, our_run
from benchmarks.learning.watch import trained_by
from benchmarks.record import RESULTS
from grpo.config.check import check
from grpo.config.load import load_config
from grpo.config.schema import RunConfig
from grpo.stages.totals import StageTotals

PLAN = Plan(seeds=(0, 1))
SMALL = TaskSizes(cold_steps=1, prompts=4, completions=2, max_tokens=24, held_out=8, small=True)
MODEL, STUDENT = 658_560, 132_416
"""Parameters by hand: embeddings 2 · 262 · H, layers of 2 · H · (q + k) + q + 2k + 3 · H · I + 2 · H, and H."""


def config_of(request: Request, work: Path) -> RunConfig:
    """Checked, with folders in the place of the models it is given."""
    for _, other in request.models:
        other.model(work).mkdir(parents=True, exist_ok=True)
        (other.model(work) / "config.json").write_text("{}")
    config = load_config(request.filled(work))
    check(config)
    return config


def test_the_sizes_by_hand() -> None:
    layer = 2 * 128 * (128 + 64) + 128 + 2 * 64 + 3 * 128 * 384 + 2 * 128
    assert 2 * 262 * 128 + 3 * layer + 128 == MODEL == PLAN.parameters("plain") == PLAN.parameters("rounds")
    layer = 2 * 64 * (64 + 32) + 64 + 2 * 32 + 3 * 64 * 192 + 2 * 64
    assert 2 * 262 * 64 + 2 * layer + 64 == STUDENT == PLAN.parameters("student") == PLAN.parameters("distilled")


def test_the_rounds_start_at_the_base_and_go_on_from_each_other(tmp_path: Path) -> None:
    config = config_of(PLAN.rounds(1), tmp_path)
    stages: Any = config.stages
    assert (config.seed, config.threads, config.rollout.engine) == (1, 1, "transformers")
    assert config.pipeline == [
        "cold_start", "cold_start_eval", "rl1", "rl1_eval", "rejection1", "sft1", "sft1_eval", "rl2", "rl2_eval",
        "rejection2", "sft2", "sft2_eval", "rl3", "rl3_eval",
    ]  # fmt: skip
    starts = {name: stages[name].model_from for name in config.pipeline}
    assert (starts["sft1"], starts["sft2"]) == ("base", "base")
    assert [starts[name] for name in ("rl1", "rejection1", "rl2", "rejection2", "rl3")] == [
        "cold_start", "rl1", "sft1", "rl2", "sft2",
    ]  # fmt: skip
    assert [stages[name].data_from for name in ("sft1", "sft2")] == ["rejection1", "rejection2"]
    assert all(starts[f"{name}_eval"] == name for name in POINTS)
    for name in ("rl1", "rl2", "rl3"):
        stage = stages[name]
        assert (stage.steps, stage.prompts_per_step, stage.optimizer.schedule) == (PLAN.rl_steps, 16, "constant")
        assert stage.optimizer.lr == PLAN.lr and stage.rollout.completions_per_prompt == 8
        assert stages[f"{name}_eval"].samples_per_problem == PLAN.samples
    for number in (1, 2):
        rejection, sft = stages[f"rejection{number}"], stages[f"sft{number}"]
        assert (rejection.data.arithmetic.problems, rejection.rollout.completions_per_prompt) == (PLAN.problems, 2)
        assert (sft.steps, sft.optimizer.lr, sft.optimizer.schedule) == (PLAN.sizes.cold_steps, 2e-3, "cosine")


def test_the_other_runs_are_valid_configs(tmp_path: Path) -> None:
    plain = PLAN.plain(0, [10**9, 10**12])
    config: Any = config_of(plain, tmp_path)
    stage = config.stages[RL]
    assert config.pipeline == [RL] and stage.model_from == str(PLAN.rounds(0).model(tmp_path))
    assert (stage.optimizer.schedule, stage.optimizer.lr) == ("constant", PLAN.lr)
    # at 20 tokens a completion, 128 of them a step, nothing trained: never too few
    assert stage.steps == 10**12 // (2 * MODEL * 2560) + 1
    distilled = PLAN.distilled(0, plain)
    config = config_of(distilled, tmp_path)
    assert config.pipeline == ["cold_start", "cold_start_eval", "distill", "sft", "sft_eval"]
    assert config.stages["distill"].teacher == str(plain.model(tmp_path))
    assert (config.stages["sft"].model_from, config.stages["sft"].data_from) == ("cold_start", "distill")
    assert config.stages["sft"].optimizer.schedule == "cosine"
    assert config.stages["sft_eval"].samples_per_problem == PLAN.samples
    student = PLAN.student(0, distilled, [10**9])
    config = config_of(student, tmp_path)
    assert config.stages[RL].model_from == str(distilled.model(tmp_path))
    assert config.model.scratch.hidden_size == 64 and config.stages[RL].steps == 10**9 // (2 * STUDENT * 2560) + 1


def test_marks_are_evaluated_as_often_as_everything_else(tmp_path: Path) -> None:
    request = PLAN.plain(0, [1, 2])
    for number in (1, 2):
        (tmp_path / str(number) / "model").mkdir(parents=True)
        (tmp_path / str(number) / "model" / "config.json").write_text("{}")
    config: Any = load_config(evaluations(request, tmp_path))
    check(config)
    assert config.pipeline == ["mark1", "mark2"]
    stages = [config.stages[name] for name in config.pipeline]
    assert [stage.samples_per_problem for stage in stages] == [PLAN.samples] * 2
    assert [stage.model_from for stage in stages] == [f"{tmp_path}/1/model", f"{tmp_path}/2/model"]


def rounds_result(accuracy: dict[str, float]) -> dict[str, Any]:
    """Each stage samples 10 tokens and trains 5, in 2 seconds; `accuracy` of the points and `cold_start`."""
    spent = {"sampled": 10, "trained": 5, "seconds": 2.0}
    stages = dict.fromkeys(["cold_start", *(stage for work in POINTS.values() for stage in work)], spent)
    data = {"sampled": 100, "right": 60, "kept": 50, "problems": 40, "problems_covered": 30}
    return {
        "held_out": {f"{name}_eval": modes(value) for name, value in accuracy.items()},
        "stages": stages,
        "data_sets": {"rejection1": data, "rejection2": data, "distill": data},
    }


def modes(value: float) -> dict[str, Any]:
    return {mode: {"accuracy": value, "ci95": [0, 1]} for mode in ("sampled", "greedy")}


def plain_result(*accuracy: float) -> dict[str, Any]:
    marks = [{"step": 3, "sampled": 40, "trained": 20, "seconds": 4.5} for _ in accuracy]
    return {"held_out": {f"mark{i}": modes(value) for i, value in enumerate(accuracy, start=1)}, "marks": marks}


ROUNDS = rounds_result({"cold_start": 0.2, "rl1": 0.4, "sft1": 0.5, "rl2": 0.6, "sft2": 0.65, "rl3": 0.7})


def test_costs_by_hand() -> None:
    """2 · N a sampled token, 6 · N a trained one; a point's cost holds all work since the cold start, not that."""
    assert Spent(sampled=10, trained=5).flops(7) == 7 * (2 * 10 + 6 * 5)
    found = points_spent(ROUNDS)
    assert list(found) == ["rl1", "sft1", "rl2", "sft2", "rl3"]
    assert [spent.sampled for spent in found.values()] == [10, 30, 40, 60, 70]
    assert found["sft2"] == Spent(sampled=60, trained=30, seconds=12.0)
    stages = {"sft": Spent(trained=100).as_json(), "distill": Spent(sampled=30).as_json()}
    assert student_marks({"stages": stages}, model=1000, student=10) == [6 * 10 * 100, 6 * 10 * 100 + 2 * 1000 * 30]


def test_each_run_s_budget_is_what_the_one_before_it_cost() -> None:
    asked: dict[str, Request] = {}
    results = {"rounds_0": ROUNDS, "plain_0": plain_result(1), "distilled_0": ROUNDS | {"stages": {
        "sft": Spent(trained=100).as_json(), "distill": Spent(sampled=30).as_json()}}}  # fmt: skip

    def find(request: Request) -> dict[str, Any] | None:
        asked[request.name] = request
        return results.get(request.name)

    runs = follow(PLAN, 0, find)
    assert list(runs) == list(SIDES) and runs["student"][1] is None
    fifty = MODEL * (2 * 10 + 6 * 5)
    assert asked["plain_0"].marks == (fifty, 3 * fifty, 4 * fifty, 6 * fifty, 7 * fifty)
    assert asked["student_0"].marks == (600 * STUDENT, 600 * STUDENT + 60 * MODEL)
    del results["plain_0"]
    assert list(follow(PLAN, 0, find)) == ["rounds", "plain"]


def test_a_run_is_looked_at_and_ended_at_its_marks(tmp_path: Path) -> None:
    """With the first step that has cost a mark its model is kept; after the last mark nothing is sampled."""
    steps: list[int] = []

    def cost(totals: StageTotals) -> float:
        return totals.tokens_sampled + 3 * totals.tokens_trained

    words = [f"pipeline=[{RL}]", f"stages.{RL}.model_from=base", f"stages.{RL}.steps=6"]
    words += ["optimizer.schedule=constant", f"stages.{RL}.optimizer.schedule=constant", "optimizer.lr=1e-3"]
    reward = "tests/run/digit_reward.py:digit_share"  # a fresh model's random text differs in it
    words += [f"reward.functions=[{reward},exact_integer]", "reward.weights=[1,0]", "reward.in_process=true"]
    with trained_by(marked([100, 900], cost, tmp_path / "marks", steps)):
        run = our_run(tmp_path / "runs", [*SMALL.overrides(3, threads=1), *words])
    spent = list(by_step(run, RL))
    costs = [one.sampled + 3 * one.trained for one in spent]
    assert len(costs) == 6 and 1 < steps[1] < 6 and steps[0] < steps[1]
    for mark, step in zip([100, 900], steps, strict=True):
        assert costs[step - 1] >= mark and all(cost < mark for cost in costs[: step - 1])
    assert len(set(costs[steps[1] - 1 :])) == 1  # empty from there on
    summary = json.loads((run / "summary.json").read_text())["stages"][RL]
    assert (summary["tokens_sampled"], summary["tokens_trained"]) == (spent[-1].sampled, spent[-1].trained)
    assert 0 < spent[0].seconds < spent[-1].seconds <= summary["used"]["wall_seconds"]
    first, last, final = (
        load_file(path / "model" / "model.safetensors")
        for path in (tmp_path / "marks/1", tmp_path / "marks/2", run / "stages" / RL)
    )
    assert any(not torch.equal(first[name], tensor) for name, tensor in last.items())
    assert all(torch.equal(final[name], tensor) for name, tensor in last.items())


def finish(work: Path, seed: int, accuracy: dict[str, float]) -> None:
    """All four runs of a seed; `accuracy` of the rounds' last stage, and of `plain`, `distilled` and `student`."""
    rounds = ROUNDS | {"held_out": ROUNDS["held_out"] | {"rl3_eval": modes(accuracy["rounds"])}}
    distilled = rounds_result({"cold_start": 0.1, "sft": accuracy["distilled"]})
    distilled["stages"] |= {"sft": Spent(trained=100, seconds=3).as_json(), "distill": Spent(sampled=30).as_json()}
    results = {
        "rounds": rounds,
        "plain": plain_result(0.4, 0.5, 0.6, 0.7, accuracy["plain"]),
        "distilled": distilled,
        "student": plain_result(accuracy["student"], 0.45),
    }

    def find(request: Request) -> dict[str, Any]:
        result = results[request.name.rpartition("_")[0]]
        keep(request.file(work), request.as_json(), result)
        return result

    follow(PLAN, seed, find)


def test_the_record(tmp_path: Path) -> None:
    """Two seeds: mean ± 12.706 · |a - b| / 2. Rounds less plain: -0.1 and -0.2, so -0.15 ± 0.6353."""
    finish(tmp_path, 0, {"rounds": 0.7, "plain": 0.8, "distilled": 0.5, "student": 0.3})
    finish(tmp_path, 1, {"rounds": 0.7, "plain": 0.9, "distilled": 0.5, "student": 0.4})
    record = record_of({"benchmark": "improvement"}, PLAN, tmp_path)
    assert record["missing"] == {} and record["parameters"] == {"model": MODEL, "student": STUDENT}
    last = record["rounds"]["points"]["rl3"]
    assert record["rounds"]["cold_start"]["sampled"]["mean"] == pytest.approx(0.2)
    assert last["plain"]["sampled"]["mean"] == pytest.approx(0.85)
    assert last["difference"]["sampled"]["mean"] == pytest.approx(-0.15)
    assert last["difference"]["sampled"]["ci95"] == pytest.approx([-0.15 - 0.6353, -0.15 + 0.6353], abs=1e-3)
    assert last["rounds"]["cost"] == {
        "flops": [350 * MODEL] * 2, "tokens_sampled": [70, 70], "tokens_trained": [35, 35], "seconds": [14.0, 14.0]
    }  # fmt: skip
    assert last["plain"]["cost"]["flops"] == [200 * MODEL] * 2
    assert record["rounds"]["points"]["sft1"]["difference"]["sampled"]["values"] == pytest.approx([0.0, 0.0])
    student = record["student"]
    assert student["difference"]["rl"]["sampled"]["values"] == pytest.approx([0.2, 0.1])
    assert student["difference"]["rl_and_traces"]["greedy"]["values"] == pytest.approx([0.05, 0.05])
    assert student["teacher"]["sampled"]["values"] == pytest.approx([0.8, 0.9])
    assert student["distilled"]["cost"]["flops"] == [600 * STUDENT] * 2
    assert student["cost_before"]["flops"] == [50 * STUDENT] * 2
    assert student["cost_of_traces"]["flops"] == [60 * MODEL] * 2
    assert student["cost_of_teacher"]["flops"] == [(50 + 200) * MODEL] * 2
    assert student["data_set"]["kept"] == [50, 50]
    assert len(list(lines(record))) == 1 + 6 + 2 + 2


def test_what_is_missing_is_named_and_counts_nowhere(tmp_path: Path) -> None:
    finish(tmp_path, 1, {"rounds": 0.7, "plain": 0.9, "distilled": 0.5, "student": 0.4})
    rounds = PLAN.rounds(0)
    keep(rounds.file(tmp_path), rounds.as_json(), ROUNDS)
    keep_failure(tmp_path / "results" / "plain_0.json", {}, "RuntimeError: no")
    record = record_of({}, PLAN, tmp_path)
    assert record["rounds"]["seeds"] == record["student"]["seeds"] == [1]
    assert record["missing"] == {"plain_0": "RuntimeError: no", "distilled_0": "not run", "student_0": "not run"}
    nothing = record_of({}, PLAN, tmp_path / "none")
    assert nothing["rounds"] == nothing["student"] == {"seeds": []} and len(nothing["missing"]) == 8
    assert len(list(lines(nothing))) == 9


def test_the_picture_is_of_the_means(tmp_path: Path) -> None:
    """Two sides in each half; the rounds' curve has the cold start and five points, at the mean of the seeds."""
    finish(tmp_path, 0, {"rounds": 0.7, "plain": 0.8, "distilled": 0.5, "student": 0.3})
    finish(tmp_path, 1, {"rounds": 0.8, "plain": 0.9, "distilled": 0.5, "student": 0.4})
    record = record_of({}, PLAN, tmp_path)
    part = record["rounds"]
    *_, mean = lines_of(part["cold_start"], [point["rounds"] for point in part["points"].values()])
    assert [height for _, height in mean] == pytest.approx([0.2, 0.4, 0.5, 0.6, 0.65, 0.75])
    assert [cost for cost, _ in mean] == pytest.approx([MODEL * n * 50 / 1e12 for n in (0, 1, 3, 4, 6, 7)])
    root = ElementTree.fromstring(drawing(record))
    assert sum(node.get("stroke-width") == "2.6" for node in root.iter()) == 4


@pytest.mark.skipif(not (RESULTS / "improvement.json").exists(), reason="the benchmark has not been run")
def test_the_picture_is_of_the_results() -> None:
    """Red: run `python -m benchmarks.improvement.picture`."""
    assert PICTURE.read_text() == drawing(json.loads((RESULTS / "improvement.json").read_text()))


@pytest.mark.slow
def test_a_small_run(tmp_path: Path) -> None:
    """Everything once, equal costs within a step; the second start has nothing to do."""
    words = ["--quick", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out.json")]
    assert command.main(words) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["missing"] == {}
    step = 8 * 4 * 24 * 8 * record["parameters"]["model"]  # at most: every token of every completion, both ways
    for point in record["rounds"]["points"].values():
        [ours], [theirs] = point["rounds"]["cost"]["flops"], point["plain"]["cost"]["flops"]
        assert ours <= theirs < ours + step
    [distilled], [alone] = (record["student"][name]["cost"]["flops"] for name in ("distilled", "rl"))
    assert distilled <= alone < distilled + step
    ElementTree.parse(tmp_path / "out.svg")
    begun = time.monotonic()
    assert command.main(words) == 0 and time.monotonic() - begun < 10
