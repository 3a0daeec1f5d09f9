"""The record of all cells, and its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.algorithms.plan import Cell, Plan, as_json, cell_file, result_of
from benchmarks.algorithms.rows import BASELINES, ROWS, STEPS_PER_ROLLOUT
from benchmarks.learning.finished import reason_of
from benchmarks.learning.places import spread
from benchmarks.learning.task import cold_accuracy
from benchmarks.optimizer_quality import interval, tenths_of

MODES = ("sampled", "greedy")


def record_of(head: Mapping[str, Any], plan: Plan, work: Path) -> dict[str, Any]:
    """Everything measured so far; a seed counts for a row when its cell is finished."""
    before = {str(seed): cold_accuracy(work, plan.sizes, seed) for seed in plan.seeds}
    cells = {cell: result_of(work, plan, cell) for cell in plan.cells()}
    missing = {cell.name: reason_of(cell_file(work, cell)) for cell, found in cells.items() if found is None}
    rows = {name: row_of(name, plan, cells) for name in plan.rows}
    return {
        **head,
        "plan": as_json(plan) | {"tokens": plan.tokens},
        "before": before,
        "commits": sorted({found["commit"] for found in cells.values() if found}),
        "rows": rows,
        "against": against(rows),
        "missing": missing,
    }


def row_of(name: str, plan: Plan, cells: Mapping[Cell, dict[str, Any] | None]) -> dict[str, Any]:
    """One algorithm over its finished seeds."""
    found = {seed: cells[Cell(row=name, seed=seed)] for seed in plan.seeds}
    done = {seed: result for seed, result in found.items() if result is not None}
    row: dict[str, Any] = {
        "title": ROWS[name].title,
        "block": ROWS[name].block,
        "optimizer_steps_per_rollout": STEPS_PER_ROLLOUT[ROWS[name].block],
        "settings": ROWS[name].settings,
        "seeds": list(done),
    }
    if done:
        row |= {mode: interval([result["accuracy"][mode] for result in done.values()]) for mode in MODES}
        for key in ("tokens_sampled", "tokens_trained", "steps", "seconds"):
            row[key] = [result[key] for result in done.values()]
        row["curves"] = {str(seed): curve(result["course"]) for seed, result in done.items()}
    return row


def curve(course: Sequence[Mapping[str, float]]) -> list[list[float]]:
    """[tokens sampled so far, sampled accuracy on its problems], each the mean over one of ten stretches of the run."""
    tokens, accuracy = (tenths_of([entry[key] for entry in course]) for key in ("tokens", "accuracy"))
    return [[round(count), round(share, 4)] for count, share in zip(tokens, accuracy, strict=True)]


def against(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Each row's sampled accuracy less that of its block's baseline, seed by seed, over the seeds that both have."""
    found = {}
    for name, row in rows.items():
        base = rows.get(BASELINES[row["block"]])
        if base is None or row is base or not row["seeds"]:
            continue
        ours, theirs = by_seed(row), by_seed(base)
        shared = [seed for seed in ours if seed in theirs]
        if shared:
            found[name] = interval([ours[seed] - theirs[seed] for seed in shared])
    return found


def by_seed(row: Mapping[str, Any]) -> dict[int, float]:
    """Sampled accuracy by seed."""
    return dict(zip(row["seeds"], row["sampled"]["values"], strict=True)) if row["seeds"] else {}


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What a person looks for first."""
    yield f"{'':<24}{'steps':>6}{'sampled':>9}{'95 %':>18}{'greedy':>9}{'tokens':>10}{'s':>7}"
    for name, row in record["rows"].items():
        if row["seeds"]:
            yield (
                f"{name:<24}{row['steps'][0]:>6}{row['sampled']['mean']:>9.3f}{spread(row['sampled']):>18}"
                f"{row['greedy']['mean']:>9.3f}{row['tokens_sampled'][0]:>10,}{row['seconds'][0]:>7.0f}"
            )
    for name, reason in record["missing"].items():
        yield f"{name}: {reason}"
