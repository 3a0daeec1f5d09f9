"""The loop every training stage shares: step, log, checkpoint, stop when asked, resume where it stopped."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from grpo.run.checkpoint import load_checkpoint, save_checkpoint
from grpo.run.memory import BETWEEN, GAUGE
from grpo.run.state import ModelState, OptimizerState, RandomState, Stateful, StateRegistry
from grpo.stages.context import RunContext
from grpo.stages.totals import StageTotals
from grpo.update.optimizer import Optimizer
from grpo.update.policy import Policy


class StepTrainer(Protocol):
    """One optimizer or rollout step at a time."""

    totals: StageTotals

    def parts(self) -> StateRegistry:
        """Everything a checkpoint must hold for the next step to come out the same."""
        ...

    def start(self) -> None:
        """Called once, after a checkpoint (if any) was loaded and before the first step."""
        ...

    def step(self, index: int) -> dict[str, float]:
        """Do step `index` (from 0) and return its metrics."""
        ...


def training_state(policy: Policy, optimizer: Optimizer, cursor: Stateful, totals: StageTotals) -> StateRegistry:
    """What the next step of any training stage depends on, and what it has used so far.

    `cursor` knows the place in the data.
    """
    registry = StateRegistry()
    if policy.adapters is None:
        registry.register("model", ModelState(policy.model))
    else:
        registry.register("adapters", policy.adapters)  # the base never changes: it is loaded again
    registry.register("optimizer", OptimizerState(optimizer.adamw, policy.model.named_parameters()))
    registry.register("schedule", optimizer)
    registry.register("cursor", cursor)
    registry.register("random", RandomState())
    registry.register("totals", totals)
    return registry


def train(trainer: StepTrainer, name: str, steps: int, context: RunContext, checkpoint: Path | None) -> None:
    """Run a stage's steps from its checkpoint, or from the beginning."""
    done = 0
    if checkpoint is not None:
        done = int(load_checkpoint(checkpoint, trainer.parts()).meta["stage_step"])
        if context.costs is not None:
            context.costs.resumed(trainer.totals)
    context.tracker.stage_started(name, context.config.stages[name].kind, steps, done)
    with GAUGE.phase("sync"):
        trainer.start()
    context.spent("load")
    GAUGE.enter(BETWEEN)
    saving = 0.0
    for index in range(done, steps):
        started = time.perf_counter()
        values = trainer.step(index)
        values["memory/peak_rss_bytes"] = GAUGE.peak_of(name)
        if saving:
            values["time/checkpoint"] = saving
        last = index + 1 == steps
        context.log(name, index + 1, values, trainer.totals, last=last)
        trainer.totals.wall_seconds += time.perf_counter() - started + saving
        saving = 0.0
        asked = context.stop_asked and not last
        if asked or (not last and (index + 1) % context.config.checkpoint.every == 0):
            saving = _save(trainer, name, index + 1, context)
            context.spent("save")
        if asked:
            context.stop_if_asked()
    GAUGE.enter("save")


def _save(trainer: StepTrainer, name: str, stage_step: int, context: RunContext) -> float:
    started = time.perf_counter()
    with GAUGE.phase("checkpoint"):
        save_checkpoint(
            context.folder.checkpoints,
            context.step,
            trainer.parts(),
            {"stage": name, "stage_step": stage_step},
            keep=context.config.checkpoint.keep,
        )
    return time.perf_counter() - started
