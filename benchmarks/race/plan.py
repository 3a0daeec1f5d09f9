"""What is run, in which order, and what each run is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.learning.task import TaskSizes
from benchmarks.timing import balanced

RATES = (2e-5, 5e-5, 1e-4)
TUNED = ("ours", "trl")
"""Sides with a learning rate of their own; `vllm` is ours with another sampler and takes ours."""
ENGINES = {"ours": "transformers", "vllm": "vllm", "trl": "transformers"}
MOST_EXTRA = 4 / 3
"""Our runs go on for a third more steps than the shared budget: a curve as good as TRL's, but for noise, may pass
TRL's last value a few steps after the budget. The figures at the budget do not depend on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Everything that changes a result."""

    sizes: TaskSizes = field(default_factory=lambda: TaskSizes(prompts=32))
    seeds: tuple[int, ...] = (0, 1, 2)
    tuning_seed: int = 3
    rates: tuple[float, ...] = RATES
    micro_batches: tuple[int, ...] = (64, 256)
    """TRL's, completions; the faster of them is used."""
    sides: tuple[str, ...] = ("ours", "trl", "vllm")
    steps: int = 60
    trial_steps: int = 5
    evaluations: int = 4
    """Of held-out problems within the budget, after the one at the start."""
    threads: int = 2

    @property
    def evaluate_at(self) -> list[int]:
        """Steps within the budget, evenly, its last one among them."""
        return sorted({round(self.steps * part / self.evaluations) for part in range(1, self.evaluations + 1)} - {0})

    def steps_of(self, side: str) -> int:
        """Of a run of the final, those beyond the budget included."""
        return self.steps if side == "trl" else round(self.steps * MOST_EXTRA)

    def request(self, side: str, seed: int, cold: Path, lr: float, micro_batch: int) -> dict[str, Any]:
        """One run of the final."""
        return {
            "side": side,
            "engine": ENGINES[side],
            "seed": seed,
            "model": str(cold),
            "lr": lr,
            "steps": self.steps_of(side),
            "evaluate_at": self.evaluate_at,
            "threads": self.threads,
            "sizes": asdict(self.sizes),
        } | ({"micro_batch": micro_batch} if side == "trl" else {})

    def tuning(self, side: str, cold: Path, lr: float, micro_batch: int) -> dict[str, Any]:
        """A run that chooses the learning rate: the shared budget, evaluated at its end."""
        asked = self.request(side, self.tuning_seed, cold, lr, micro_batch)
        return asked | {"steps": self.steps, "evaluate_at": [self.steps]}

    def trial(self, cold: Path, micro_batch: int) -> dict[str, Any]:
        """A few steps of TRL that choose its micro-batch."""
        asked = self.request("trl", self.tuning_seed, cold, self.rates[0], micro_batch)
        return asked | {"steps": self.trial_steps, "evaluate_at": []}

    def orders(self) -> Iterator[tuple[int, Sequence[str]]]:
        """Seed by seed the order of the sides, places shared evenly."""
        yield from zip(self.seeds, balanced(self.sides, len(self.seeds)), strict=True)


QUICK = Race(
    sizes=TaskSizes(cold_steps=2, prompts=4, completions=4, max_tokens=24, held_out=8, small=True),
    seeds=(0,),
    tuning_seed=1,
    rates=(5e-5,),
    micro_batches=(16,),
    sides=("ours", "trl"),
    steps=3,
    trial_steps=2,
    evaluations=2,
    threads=1,
)
