"""What is run: for each seed one cold start, and from it a run with and one without the language reward."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.learning.requests import Request
from benchmarks.learning.task import COLD, COLD_EVAL, NO_CHECKPOINTS, RL, RL_EVAL, SMALL_MODEL

SIDES = ("with", "without")
"""The language reward's weight is the plan's, or 0: it is measured all the same."""
SMALL = (*SMALL_MODEL, "rollout.completions_per_prompt=4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that changes a result, and how many processes share the work."""

    seeds: tuple[int, ...] = (0, 1, 2)
    cold_steps: int = 600
    """Supervised steps."""
    steps: int = 100
    """Rollouts of the reinforcement stage."""
    prompts: int = 32
    """Of a rollout, 8 completions each."""
    held_out: int = 400
    weight: float = 1.0
    """Of the language reward beside 1 for a right answer and 0.1 for the format."""
    lr: float = 2e-4
    engine: str = "transformers"
    workers: int = 2
    """Processes of one thread."""
    small: bool = False

    @property
    def shared(self) -> list[str]:
        """Overrides of every run."""
        return [
            "experiment=bilingual",
            f"rollout={self.engine}",
            "threads=1",
            f"data.arithmetic.held_out={self.held_out}",
            f"data.eval_rows={self.held_out}",
            NO_CHECKPOINTS,
            "logger=[file]",
            "logger.file.rollouts_every=0",
            *(SMALL if self.small else ()),
        ]

    def cold(self, seed: int) -> Request:
        """A seed's cold start and its evaluation."""
        own = [f"pipeline=[{COLD},{COLD_EVAL}]", f"seed={seed}", f"stages.{COLD}.steps={self.cold_steps}"]
        return Request(name=f"cold_{seed}", overrides=(*self.shared, *own), keeps=COLD)

    def run(self, side: str, seed: int) -> Request:
        """One side on one seed; raises KeyError for another side."""
        weight = {"with": self.weight, "without": 0.0}[side]
        own = [
            f"pipeline=[{RL},{RL_EVAL}]",
            f"seed={seed}",
            f"stages.{RL}.steps={self.steps}",
            f"stages.{RL}.prompts_per_step={self.prompts}",
            f"stages.{RL}.optimizer.schedule=constant",
            f"optimizer.lr={self.lr}",
            f"stages.{RL}.reward.weights=[1.0,0.1,{weight}]",
        ]
        start = (f"stages.{RL}.model_from", self.cold(seed))
        return Request(name=f"{side}_{seed}", overrides=(*self.shared, *own), models=(start,))

    def runs(self) -> Iterator[tuple[str, int, Request]]:
        """Side, seed and request, seed by seed, so that a benchmark that is stopped early has whole seeds."""
        for seed in self.seeds:
            for side in SIDES:
                yield side, seed, self.run(side, seed)
