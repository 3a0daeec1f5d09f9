"""Supervised fine-tuning on demonstrations: the cold start."""

from __future__ import annotations

from pathlib import Path

from grpo.config.schema import SFTConfig
from grpo.data.cursor import ProblemCursor
from grpo.data.prompts import PromptEncoder
from grpo.run.random import derive_seed
from grpo.run.state import StateRegistry
from grpo.stages.context import RunContext
from grpo.stages.loop import train, training_state
from grpo.stages.totals import Clock, StageTotals
from grpo.types import Problem
from grpo.update.experience import Branch, Tree
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy
from grpo.update.supervised import supervised_step


def run_sft(name: str, stage: SFTConfig, context: RunContext, checkpoint: Path | None) -> StageTotals:
    """Train, save the model to the stage's folder, and say what it took."""
    loaded = context.load_model(stage.model_from, trained_by=name)
    encoder = loaded.encoder(stage.data, max_tokens=1)
    problems = [p for p in context.problems(stage, "train") if p.demonstration is not None]
    if not problems:
        raise ValueError(f"stages.{name}: no row has a demonstration; set data.demonstration_column, or leave it out")
    problems = context.fitting(encoder, problems, stage, demonstrated=True)
    trainer = SFTTrainer(name, stage, Policy(loaded.model, loaded.adapters), encoder, problems, context.config.seed)
    train(trainer, name, stage.steps, context, checkpoint)
    loaded.save(context.folder.stage(name))
    return trainer.totals


class SFTTrainer:
    """Takes demonstrations in a seeded order, one optimizer step at a time."""

    def __init__(
        self, name: str, stage: SFTConfig, policy: Policy, encoder: PromptEncoder, problems: list[Problem], seed: int
    ) -> None:
        self.stage, self.policy, self.encoder = stage, policy, encoder
        self.cursor = ProblemCursor(problems, (seed, name))
        self.optimizer = Optimizer(policy.model, stage.optimizer, stage.steps, seed=derive_seed(seed, name, "rounding"))
        self.limits = PackingLimits(micro_batch=stage.optimizer.max_tokens_per_micro_batch)
        self.totals = StageTotals()

    def parts(self) -> StateRegistry:
        return training_state(self.policy, self.optimizer, self.cursor, self.totals)

    def start(self) -> None:
        self.policy.model.train()

    def step(self, index: int) -> dict[str, float]:
        clock = Clock()
        trees = [self._tree(problem) for problem in self.cursor.take(self.stage.demonstrations_per_step)]
        with clock("update"):
            metrics = supervised_step(self.policy, self.optimizer, trees, self.limits)
        tokens = sum(tree.tokens for tree in trees)
        self.totals.tokens_trained += tokens
        return metrics | clock.metrics() | {"tokens_per_second/trained": tokens / clock.seconds["update"]}

    def _tree(self, problem: Problem) -> Tree:
        prompt_ids, completion_ids = self.encoder.encode_demonstration(problem)
        branch = Branch(token_ids=completion_ids, sampler_logprobs=(), advantage=1.0)
        return Tree(prompt_ids=prompt_ids, branches=(branch,))
