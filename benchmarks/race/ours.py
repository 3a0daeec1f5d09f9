"""Our side: the pipeline's reinforcement stage, watched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.learning.task import RL, TaskSizes, our_run
from benchmarks.learning.watch import PHASES, trained_by
from benchmarks.race.course import Course
from grpo.stages.reinforce import ReinforceTrainer


def run(request: dict[str, Any], course: Course, place: Path) -> None:
    """`request`: engine, seed, lr, steps and sizes; the run's folder lies in `place` while it runs."""
    sizes = TaskSizes(**request["sizes"])
    overrides = [
        *sizes.overrides(request["seed"], request["threads"], request["engine"]),
        f"pipeline=[{RL}]",
        f"stages.{RL}.model_from={request['model']}",
        f"stages.{RL}.steps={request['steps']}",
        f"stages.{RL}.optimizer.schedule=constant",
        f"optimizer.lr={request['lr']}",
    ]
    with trained_by(raced(course)):
        our_run(place, overrides)
    shutil.rmtree(place)


def raced(course: Course) -> type[ReinforceTrainer]:
    """The trainer, telling `course` of each step."""

    class Raced(ReinforceTrainer):
        def start(self) -> None:
            super().start()
            course.begin(self.policy.named_weights())

        def step(self, index: int) -> dict[str, float]:
            before = self.totals.tokens_sampled
            values = super().step(index)
            found = {
                "accuracy": values["rewards/exact_integer/mean"],
                "samples": self.stage.prompts_per_step * self.stage.rollout.completions_per_prompt,
                "tokens": self.totals.tokens_sampled - before,
            }
            phases = {name: values[f"time/{name}"] for name in PHASES}
            course.step_done(found, phases, self.policy.named_weights())
            return values

    return Raced
