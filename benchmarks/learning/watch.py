"""The reinforcement stage's own trainer with something around each of its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grpo.stages import reinforce
from grpo.stages.reinforce import ReinforceTrainer
from grpo.stages.totals import StageTotals


@contextmanager
def trained_by(trainer: type[ReinforceTrainer]) -> Iterator[None]:
    """Inside, reinforcement stages of this process are trained by a subclass; all else is the pipeline's."""
    usual = reinforce.ReinforceTrainer
    reinforce.ReinforceTrainer = trainer  # type: ignore[misc]
    try:
        yield
    finally:
        reinforce.ReinforceTrainer = usual  # type: ignore[misc]


def sampled(totals: StageTotals) -> float:
    """Cost of a stage so far: its completion tokens."""
    return totals.tokens_sampled


def budgeted(
    budget: float, course: list[dict[str, float]], cost: Callable[[StageTotals], float] = sampled
) -> type[ReinforceTrainer]:
    """A trainer that does nothing more once `cost` has reached `budget`: the rest of its steps are empty.

    So runs whose steps cost different amounts can be compared at equal cost. The learning rate must be constant: it is
    planned over all steps. `course` gets an entry a step.
    """

    class Budgeted(ReinforceTrainer):
        _last: dict[str, float]

        def step(self, index: int) -> dict[str, float]:
            if index and cost(self.totals) >= budget:
                return dict(self._last)
            self._last = super().step(index)
            course.append(point(self._last, self.totals.tokens_sampled))
            return dict(self._last)

    return Budgeted


def point(metrics: dict[str, float], tokens: int) -> dict[str, float]:
    """What a step's metrics say about learning; `tokens` sampled so far."""
    return {
        "tokens": float(tokens),
        "accuracy": metrics["rewards/exact_integer/mean"],
        "reward": metrics["reward"],
        "seconds": metrics["step_time"],
        **{f"{name}_seconds": metrics[f"time/{name}"] for name in PHASES},
    }


PHASES = ("rollout", "reward", "update", "sync")
"""Of one of our steps, as its clock names them."""


def rounded(course: list[dict[str, float]]) -> list[dict[str, float]]:
    """Counts as they are, everything else to five digits: files of some hundred steps stay small."""
    return [
        {name: value if value == int(value) else float(f"{value:.5g}") for name, value in entry.items()}
        for entry in course
    ]
