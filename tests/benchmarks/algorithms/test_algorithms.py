"""Rows that compose, cells, statistics by hand, and a small run of the whole."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.algorithms import __main__ as command
from benchmarks.algorithms.plan import Cell, Plan, as_json, cell_file, from_json
from benchmarks.algorithms.record import against, record_of
from benchmarks.algorithms.rows import BASELINES, ROWS
from benchmarks.algorithms.worker import claimed, jobs
from benchmarks.learning.finished import keep, keep_failure
from benchmarks.learning.task import TaskSizes, cold_folder
from grpo.config.check import check
from grpo.config.load import load_config

PLAN = Plan(sizes=TaskSizes(), rows=("token_mean", "dr_grpo"))


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_valid_configs(name: str, tmp_path: Path) -> None:
    """Red: a loss or knob was renamed, or two of a row's settings are refused together."""
    plan = Plan(sizes=TaskSizes())
    cold = cold_folder(tmp_path, plan.sizes, 0) / "model"
    cold.mkdir(parents=True)
    (cold / "config.json").write_text("{}")
    overrides = plan.request(Cell(row=name, seed=0), cold)["overrides"]
    config = load_config([*overrides, f"stages.rl.model_from={cold}"])
    check(config)
    stage: Any = config.stages["rl"]
    assert stage.optimizer.lr == 5e-5 and stage.optimizer.schedule == "constant"
    assert stage.optimizer_steps_per_rollout == {"on": 1, "off": 4}[ROWS[name].block]
    assert config.threads == 1 and config.rollout.engine == "transformers"


def test_rows_of_a_block_differ() -> None:
    for block, base in BASELINES.items():
        rows = {name: row for name, row in ROWS.items() if row.block == block}
        assert next(iter(rows)) == base and len({tuple(row.overrides) for row in rows.values()}) == len(rows)
    assert len({row.title for row in ROWS.values()}) == len(ROWS)


def test_the_budget_and_the_order() -> None:
    assert PLAN.tokens == 60 * 16 * 8 * 26
    assert [cell.name for cell in PLAN.cells()] == [
        "token_mean_0", "dr_grpo_0", "token_mean_1", "dr_grpo_1", "token_mean_2", "dr_grpo_2",
    ]  # fmt: skip
    assert from_json(json.loads(json.dumps(as_json(PLAN)))) == PLAN


def result(sampled: float, tokens: int = 200_000) -> dict[str, Any]:
    course = [{"tokens": 100.0 * step, "accuracy": 0.01 * step} for step in range(1, 21)]
    return {"accuracy": {"sampled": sampled, "greedy": 0.9}, "tokens_sampled": tokens, "tokens_trained": 1, "steps": 60,
            "seconds": 50.0, "course": course}  # fmt: skip


def finish(work: Path, row: str, *values: float) -> None:
    for seed, value in enumerate(values):
        cell = Cell(row=row, seed=seed)
        cold = cold_folder(work, PLAN.sizes, seed) / "model"
        keep(cell_file(work, cell), PLAN.request(cell, cold), result(value))


def test_the_record(tmp_path: Path) -> None:
    """Seeds 0.4, 0.5, 0.6: deviation 0.1, so ± 4.303 · 0.1 / √3 = 0.2484. Paired, the rows differ by 0.05 exactly."""
    finish(tmp_path, "token_mean", 0.4, 0.5, 0.6)
    finish(tmp_path, "dr_grpo", 0.45, 0.55)
    keep_failure(cell_file(tmp_path, Cell(row="dr_grpo", seed=2)), {}, "ConfigError: no")
    record = record_of({"benchmark": "algorithms"}, PLAN, tmp_path)
    row = record["rows"]["token_mean"]
    assert row["sampled"]["mean"] == pytest.approx(0.5)
    assert row["sampled"]["ci95"] == pytest.approx([0.5 - 0.24843, 0.5 + 0.24843], abs=1e-4)
    assert row["curves"]["0"][0] == [150, 0.015] and len(row["curves"]["0"]) == 10
    assert record["rows"]["dr_grpo"]["seeds"] == [0, 1]
    assert record["against"]["dr_grpo"]["mean"] == pytest.approx(0.05)
    assert record["against"]["dr_grpo"]["ci95"] == pytest.approx([0.05, 0.05])
    assert record["missing"] == {"dr_grpo_2": "ConfigError: no"}


def test_rows_are_paired_within_their_block_alone() -> None:
    rows: dict[str, dict[str, Any]] = {
        "gspo": {"block": "off", "seeds": [0], "sampled": {"values": [0.5]}},
        "token_mean": {"block": "on", "seeds": [0], "sampled": {"values": [0.1]}},
    }
    assert against(rows) == {}


def test_workers_share_cells(tmp_path: Path) -> None:
    """What is claimed or finished is left out; a cell waits for its cold start; past the deadline nothing begins."""
    for seed in PLAN.seeds:
        folder = cold_folder(tmp_path, PLAN.sizes, seed)
        folder.mkdir(parents=True)
        (folder / "evaluation.json").write_text('{"sampled": 0.2, "greedy": 0.4}')
    finish(tmp_path, "token_mean", 0.4, 0.5)
    assert claimed(tmp_path, "token_mean_2") and not claimed(tmp_path, "token_mean_2")
    found = list(jobs(tmp_path, PLAN, time.time() + 60))
    assert len(found) == 3  # dr_grpo on three seeds
    assert list(jobs(tmp_path, PLAN, time.time() - 1)) == []


@pytest.mark.slow
def test_a_small_run(tmp_path: Path) -> None:
    """Cold starts, two seeds and a record; a run stops at its token budget, and the second start has nothing to do."""
    words = ["--quick", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out.json")]
    assert command.main(words) == 0
    record = json.loads((tmp_path / "out.json").read_text())
    row = record["rows"]["token_mean"]
    assert row["seeds"] == [0, 1] and record["missing"] == {}
    budget, largest_step = record["plan"]["tokens"], 4 * 4 * 24
    assert all(budget <= tokens < budget + largest_step for tokens in row["tokens_sampled"])
    begun = time.monotonic()
    assert command.main(words) == 0 and time.monotonic() - begun < 60
    assert json.loads((tmp_path / "out.json").read_text())["rows"]["token_mean"]["seconds"] == row["seconds"]
