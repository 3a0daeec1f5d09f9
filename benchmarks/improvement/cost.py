"""What stages cost: tokens from the run's ledger, and the FLOPs they stand for; evaluations are not counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grpo.config.estimate import parameter_count, training_flops
from grpo.config.estimate.work import StageWork
from grpo.config.load import load_config
from grpo.cost.ledger import LEDGER_FILE, STEP, read_lines

COMPOSING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Of one stage or several."""

    sampled: int = 0
    """Completion tokens."""
    trained: int = 0
    """Completion tokens that passed forward and backward."""
    seconds: float = 0.0
    """Of one thread."""

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            sampled=self.sampled + other.sampled,
            trained=self.trained + other.trained,
            seconds=self.seconds + other.seconds,
        )

    def flops(self, parameters: int) -> int:
        """2 per parameter and sampled token, 6 per trained one, as the run's own accounts have it."""
        return training_flops(parameters, [StageWork(name="", sampled=self.sampled, trained=self.trained)])

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def total(stages: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> Spent:
    """Of the named stages, as a result file has them."""
    return sum((Spent(**stages[name]) for name in names), Spent())


def stage_spent(entry: Mapping[str, Any]) -> Spent:
    """Of a stage's entry in `summary.json`."""
    used = entry["used"]
    return Spent(sampled=used["tokens_sampled"], trained=used["tokens_trained"], seconds=used["wall_seconds"])


def by_step(run: Path, stage: str) -> Iterator[Spent]:
    """After each step of a stage that was not resumed, from the ledger; what came before the first step counts too."""
    spent = Spent()
    for line in read_lines(run / LEDGER_FILE):
        if line.get("event") != "work" or line["stage"] != stage:
            continue
        spent += Spent(
            sampled=line.get("tokens_sampled", 0), trained=line.get("tokens_trained", 0), seconds=line["seconds"]
        )
        if line["part"] == STEP:
            yield spent


@cache
def parameters_of(overrides: tuple[str, ...]) -> int:
    """Of the model that a config begins with; safe in threads, which Hydra is not."""
    with COMPOSING:
        found = parameter_count(load_config(overrides).model)
    assert found is not None, overrides  # a scratch model's shape is known
    return found
