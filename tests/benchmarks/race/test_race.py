"""The plan of a race, its record, and a small one from cold start to picture."""

from __future__ import annotations

import importlib.util
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benchmarks.race import __main__ as command
from benchmarks.race.picture import PICTURE, drawing, smoothed
from benchmarks.race.plan import QUICK, Race
from benchmarks.race.record import record_of
from benchmarks.record import RESULTS


def test_the_plan() -> None:
    race = Race()
    assert race.evaluate_at == [15, 30, 45, 60] and race.steps_of("trl") == 60 and race.steps_of("ours") == 80
    assert [order for _, order in race.orders()] == [
        ["ours", "trl", "vllm"], ["vllm", "trl", "ours"], ["trl", "vllm", "ours"],
    ]  # fmt: skip
    assert race.tuning_seed not in race.seeds
    asked = race.tuning("ours", Path("cold"), 1e-4, 64)
    assert (asked["steps"], asked["evaluate_at"], asked["seed"]) == (60, [60], 3) and "micro_batch" not in asked
    assert race.request("vllm", 0, Path("cold"), 1e-4, 64)["engine"] == "vllm"
    count = race.sizes.prompts * race.sizes.completions
    assert all(count % size == 0 for size in race.micro_batches)


def run(accuracy: list[float], seconds: float) -> dict[str, Any]:
    return {
        "points": [
            {"step": i + 1, "seconds": i * seconds, "accuracy": value, "samples": 16, "tokens": 100}
            for i, value in enumerate(accuracy)
        ],
        "held_out": [{"step": 0, "sampled": 0.2, "greedy": 0.3}, {"step": 3, "sampled": 0.6, "greedy": 0.7}],
        "phases": {"rollout": (len(accuracy) - 1) * seconds / 2},
        "peak_rss_bytes": 2**30,
        "commit": "abc",
    }


def raw() -> dict[str, Any]:
    runs = {"ours": {"0": run([0.5] * 4, 1.0)}, "trl": {"0": run([0.5] * 3, 4.0)}}
    return {"runs": runs, "rates": {}, "trials": {}, "chosen": {"micro_batch": 16, "lr": {"ours": 1e-4, "trl": 5e-5}}}


def test_the_record() -> None:
    """Ours has four steps of 1 s, TRL three of 4 s: at the budget of three 2 s beside 8 s."""
    record = record_of(raw(), QUICK)
    ours, trl = record["sides"]["ours"], record["sides"]["trl"]
    assert ours["seconds"]["mean"] == 2.0 and trl["seconds"]["mean"] == 8.0
    assert ours["samples"] == [48] and ours["tokens"] == [300] and ours["seconds_a_step"] == 1.0
    assert (ours["lr"], trl["lr"]) == (1e-4, 5e-5)
    assert ours["phases"] == {"rollout": 0.5, "other": 0.5} and trl["phases"] == {"rollout": 2.0, "other": 2.0}
    assert record["bar"]["seeds"]["0"]["reached_seconds"] == 2.0 and record["bar"]["median_ratio"] == 0.25
    assert record["missing"] == []
    without = raw()
    without["runs"]["trl"] = {"0": None}
    assert record_of(without, QUICK)["missing"] == ["trl_0"] and not record_of(without, QUICK)["bar"]["met"]


def test_the_picture() -> None:
    assert smoothed([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) == [0.0, 0.5, 1.0, 1.5, 2.0, 3.0]
    root = ElementTree.fromstring(drawing(record_of(raw(), QUICK)))
    words = [node.text for node in root.iter() if node.text]
    assert "seconds of training" in words and "completions sampled" in words and "TRL, transformers" in words
    strokes = [node for node in root.iter() if node.get("stroke-width") == "2.6"]
    assert len(strokes) == 4  # two sides, two halves


@pytest.mark.skipif(not (RESULTS / "race.json").exists(), reason="the race has not been run")
def test_the_picture_is_of_the_results() -> None:
    """Red: run `python -m benchmarks.race.picture`."""
    assert PICTURE.read_text() == drawing(json.loads((RESULTS / "race.json").read_text()))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed")
def test_a_small_race(tmp_path: Path) -> None:
    """Both sides for three steps from one cold start; the second start finds everything finished."""
    words = ["--quick", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "race.json")]
    command.main(words)
    record = json.loads((tmp_path / "race.json").read_text())
    assert record["missing"] == [] and set(record["sides"]) == {"ours", "trl"}
    ours, trl = record["sides"]["ours"], record["sides"]["trl"]
    assert ours["before"] == trl["before"] and ours["samples"] == trl["samples"] == [48]
    assert len(ours["curves"]["0"]["accuracy"]) == 4 and len(trl["curves"]["0"]["accuracy"]) == 3
    assert all(row["phases"]["other"] < 0.5 * row["seconds_a_step"] for row in (ours, trl))
    assert ElementTree.fromstring((tmp_path / "race.svg").read_text()).tag.endswith("svg")
    stamps = {file: file.stat().st_mtime_ns for file in (tmp_path / "work" / "race").glob("*_0.json")}
    assert len(stamps) == 2
    command.main(words)
    assert stamps == {file: file.stat().st_mtime_ns for file in stamps}
