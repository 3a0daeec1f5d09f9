"""A reinforcement stage that is looked at, and ended, where it has cost as much as something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.learning.watch import budgeted
from grpo.config.schema import ReinforceConfig
from grpo.model.load import LoadedModel
from grpo.stages.context import RunContext
from grpo.stages.reinforce import ReinforceTrainer
from grpo.stages.totals import StageTotals

Cost = Callable[[StageTotals], float]


def marked(marks: Sequence[float], cost: Cost, place: Path, steps: list[int]) -> type[ReinforceTrainer]:
    """A trainer that keeps its model in `place/1`, `place/2` … with the first step that has cost each mark.

    Steps after the last mark are empty.

    Args:
        marks: rising.
        steps: gets the number of that step, from 1, for each mark that is reached.
    """

    class Marked(budgeted(marks[-1], [], cost)):  # type: ignore[misc]
        def __init__(self, name: str, stage: ReinforceConfig, context: RunContext, loaded: LoadedModel) -> None:
            super().__init__(name, stage, context, loaded)
            self._loaded = loaded

        def step(self, index: int) -> dict[str, float]:
            values: dict[str, float] = super().step(index)
            while len(steps) < len(marks) and cost(self.totals) >= marks[len(steps)]:
                steps.append(index + 1)
                self._loaded.save(place / str(len(steps)))
            return values

    return Marked
