"""The plan's configs, the record by hand, and a small one from cold start to picture."""

from __future__ import annotations

import json
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benchmarks.language import __main__ as command
from benchmarks.language.picture import band_of, drawing, smoothed
from benchmarks.language.plan import SIDES, Plan
from benchmarks.language.record import lines, record_of
from benchmarks.language.worker import curves
from benchmarks.learning.finished import keep, keep_failure
from benchmarks.learning.requests import Request, request_from
from grpo.config.check import check
from grpo.config.load import load_config

PLAN = Plan(seeds=(0, 1), steps=3)


@pytest.mark.parametrize("side", SIDES)
def test_sides_are_valid_configs_that_differ_in_one_weight(side: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    request = PLAN.run(side, 1)
    config = load_config([*request.overrides, f"stages.rl.model_from={tmp_path}"])
    check(config)
    stage: Any = config.stages["rl"]
    assert stage.reward.weights == [1.0, 0.1, {"with": 1.0, "without": 0.0}[side]]
    assert stage.reward.functions[2] == "language_consistency"
    assert (config.seed, config.pipeline, stage.steps) == (1, ["rl", "rl_eval"], 3)
    assert config.data.arithmetic.mixed_steps >= 0.3
    others = [set(PLAN.run(other, 1).overrides) for other in SIDES]
    assert len(others[0] ^ others[1]) == 2


def test_requests_go_through_json_and_know_their_start() -> None:
    request = PLAN.run("with", 0)
    assert request_from(json.loads(json.dumps(request.as_json()))) == request
    assert dict(request.models)["stages.rl.model_from"] == PLAN.cold(0) != PLAN.cold(1)
    longer = Plan(seeds=(0, 1), steps=3, cold_steps=400)
    assert longer.cold(0).model(Path()) != PLAN.cold(0).model(Path())
    assert longer.run("with", 0).as_json() != request.as_json()  # another start, another result
    assert [f"{side}_{seed}" for side, seed, _ in PLAN.runs()] == ["with_0", "without_0", "with_1", "without_1"]


def result(accuracy: float, consistency: float, length: float) -> dict[str, Any]:
    one = {"accuracy": {"mean": accuracy, "ci95": [0, 1]}, "consistency": {"mean": consistency, "ci95": [0, 1]}}
    steps = {"accuracy": [accuracy] * 3, "consistency": [consistency] * 3, "length": [length] * 3}
    return {"held_out": {"sampled": one, "greedy": one}, "curves": steps, "seconds": 1.0}


def finish(work: Path, request: Request, found: dict[str, Any]) -> None:
    keep(request.file(work), request.as_json(), found)


def test_the_record(tmp_path: Path) -> None:
    """Two seeds: mean ± 12.706 · |a - b| / 2. Consistency rises by 0.3 and 0.4, so by 0.35 ± 0.6353."""
    for seed, (high, low) in enumerate([(0.9, 0.6), (1.0, 0.6)]):
        finish(tmp_path, PLAN.cold(seed), result(0.2, 0.5, 20))
        finish(tmp_path, PLAN.run("with", seed), result(0.7, high, 18))
        finish(tmp_path, PLAN.run("without", seed), result(0.8, low, 19))
    record = record_of({"benchmark": "language"}, PLAN, tmp_path)
    assert record["cold_start"]["sampled"]["consistency"]["mean"] == pytest.approx(0.5)
    assert record["sides"]["with"]["sampled"]["consistency"]["mean"] == pytest.approx(0.95)
    found = record["difference"]["sampled"]
    assert found["consistency"]["mean"] == pytest.approx(0.35)
    assert found["consistency"]["ci95"] == pytest.approx([0.35 - 0.6353, 0.35 + 0.6353], abs=1e-3)
    assert found["accuracy"]["values"] == pytest.approx([-0.1, -0.1])
    assert record["difference"]["length"]["mean"] == pytest.approx(-1.0)
    assert record["missing"] == {} and len(list(lines(record))) == 5


def test_a_seed_that_one_side_lacks_is_not_compared(tmp_path: Path) -> None:
    finish(tmp_path, PLAN.run("with", 0), result(0.7, 0.9, 18))
    finish(tmp_path, PLAN.run("with", 1), result(0.5, 0.8, 18))
    finish(tmp_path, PLAN.run("without", 1), result(0.6, 0.5, 18))
    keep_failure(PLAN.run("without", 0).file(tmp_path), {}, "RuntimeError: no")
    record = record_of({}, PLAN, tmp_path)
    assert record["difference"]["seeds"] == [1]
    assert record["difference"]["sampled"]["consistency"]["values"] == pytest.approx([0.3])
    assert record["missing"] == {"without_0": "RuntimeError: no"}
    assert record_of({}, PLAN, tmp_path / "none")["difference"] == {}


def test_curves_are_those_of_the_reinforcement_steps() -> None:
    metrics = {
        "rewards/exact_integer/mean": 0.5,
        "rewards/language_consistency/mean": 0.75,
        "completions/mean_length": 17.25,
    }
    text = "\n".join(json.dumps(line) for line in ({"stage": "rl", **metrics}, {"stage": "rl_eval"}))
    assert curves(text) == {"accuracy": [0.5], "consistency": [0.75], "length": [17.25]}


def test_bands_by_hand() -> None:
    """Seeds 0.2 and 0.4: 0.3 ± 12.706 · 0.1414 / √2."""
    band = band_of({"0": {"accuracy": [0.2, 0.2]}, "1": {"accuracy": [0.4, 0.4, 0.9]}}, "accuracy")
    assert band.middle == pytest.approx((0.3, 0.3)) and band.high == pytest.approx((1.5706, 1.5706), abs=1e-3)
    assert smoothed([1.0, 2.0, 3.0, 4.0, 5.0, 11.0]) == [1.0, 1.5, 2.0, 2.5, 3.0, 5.0]


def test_the_picture_has_a_band_and_a_line_for_each_side_and_quantity(tmp_path: Path) -> None:
    for seed in PLAN.seeds:
        for side in SIDES:
            finish(tmp_path, PLAN.run(side, seed), result(0.7, 0.9, 18 + seed))
    root = ElementTree.fromstring(drawing(record_of({}, PLAN, tmp_path)))
    paths = root.findall("{http://www.w3.org/2000/svg}path")
    assert sum(path.get("opacity") == "0.18" for path in paths) == 6
    assert sum(path.get("stroke-width") == "2.2" for path in paths) == 6


@pytest.mark.slow
def test_a_small_run(tmp_path: Path) -> None:
    """Two seeds from cold start to picture; the second start has nothing to do."""
    words = ["--quick", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out.json")]
    assert command.main(words) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    assert record["missing"] == {} and record["sides"]["with"]["seeds"] == [0, 1]
    assert all(len(curve["length"]) == 2 for curve in record["sides"]["without"]["curves"].values())
    ElementTree.parse(tmp_path / "out.svg")
    seconds, begun = record["sides"]["with"]["seconds"], time.monotonic()
    assert command.main(words) == 0 and time.monotonic() - begun < 10
    assert json.loads((tmp_path / "out.json").read_text())["sides"]["with"]["seconds"] == seconds
