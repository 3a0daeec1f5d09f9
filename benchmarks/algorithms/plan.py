"""What is run: sizes, seeds, rows, and the cells they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.algorithms.rows import ROWS
from benchmarks.learning.finished import finished
from benchmarks.learning.task import RL, RL_EVAL, TaskSizes, cold_folder

TOKENS_PER_COMPLETION = 26
"""About the length of a worked solution: what turns steps into a budget of sampled tokens."""
MOST_STEPS = 1.5
"""Empty steps that a run whose completions become shorter may still fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that changes a cell's result, and how many workers share them."""

    sizes: TaskSizes
    rows: tuple[str, ...] = tuple(ROWS)
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 60
    """Rollouts of a run whose completions have `TOKENS_PER_COMPLETION` tokens."""
    lr: float = 5e-5
    workers: int = 2

    @property
    def tokens(self) -> int:
        """Completion tokens after which a run samples no more."""
        return self.steps * self.sizes.prompts * self.sizes.completions * TOKENS_PER_COMPLETION

    def cells(self) -> Iterator[Cell]:
        """Seed by seed, so that a run that is stopped early has whole seeds."""
        for seed in self.seeds:
            for row in self.rows:
                yield Cell(row=row, seed=seed)

    def request(self, cell: Cell, cold: Path) -> dict[str, Any]:
        """What decides the cell's result; a result of another request is not used."""
        overrides = [
            *self.sizes.overrides(cell.seed, threads=1),
            f"pipeline=[{RL},{RL_EVAL}]",
            f"stages.{RL}.steps={int(MOST_STEPS * self.steps)}",
            f"stages.{RL}.optimizer.schedule=constant",
            f"optimizer.lr={self.lr}",
            *ROWS[cell.row].overrides,
        ]
        return {"overrides": overrides, "tokens": self.tokens, "cold": cold.parent.parent.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One algorithm on one seed."""

    row: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.row}_{self.seed}"


def cell_file(work: Path, cell: Cell) -> Path:
    """Where the cell's result lies."""
    return work / "algorithms" / "cells" / f"{cell.name}.json"


def result_of(work: Path, plan: Plan, cell: Cell) -> dict[str, Any] | None:
    """The cell's result; None when it is not there."""
    cold = cold_folder(work, plan.sizes, cell.seed) / "model"
    return finished(cell_file(work, cell), plan.request(cell, cold))


def as_json(plan: Plan) -> dict[str, Any]:
    """For a worker, and for the record."""
    return asdict(plan)


def from_json(values: Mapping[str, Any]) -> Plan:
    """The plan that `as_json` wrote."""
    same = {key: values[key] for key in ("steps", "lr", "workers")}
    return Plan(sizes=TaskSizes(**values["sizes"]), rows=tuple(values["rows"]), seeds=tuple(values["seeds"]), **same)
