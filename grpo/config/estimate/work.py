"""Most tokens a run handles, and the arithmetic that takes."""

from __future__ import annotations

from dataclasses import dataclass

from grpo.config.estimate.batches import held_out_problems, training_problems
from grpo.config.schema import BudgetConfig, EvaluateConfig, ReinforceConfig, RunConfig, SFTConfig
from grpo.config.selection import problems_at_once, samplings, token_limit
from grpo.config.stages_data import DataSetConfig, DistillConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class StageWork:
    """Most tokens one stage handles."""

    name: str
    sampled: int
    """Tokens the engine generates."""
    trained: int
    """Tokens that pass forward and backward."""


def work_of(config: RunConfig) -> list[StageWork]:
    """Most tokens of every stage; the prompt is not counted, demonstrations count at the completion limit."""
    found = []
    for name in config.pipeline:
        stage = config.stages[name]
        sampled = trained = 0
        if isinstance(stage, ReinforceConfig):
            sampled, trained = reinforce_work(stage)
        elif isinstance(stage, SFTConfig):
            trained = stage.steps * stage.demonstrations_per_step * config.rollout.max_tokens
        elif isinstance(stage, EvaluateConfig):
            sampled = held_out_problems(stage) * (stage.samples_per_problem + 1) * stage.rollout.max_tokens
        elif isinstance(stage, BudgetConfig):
            sampled = budget_work(stage)
        elif isinstance(stage, DataSetConfig):  # without data.rows a file's problems are not counted
            answers = stage.rollout.completions_per_prompt
            if isinstance(stage, DistillConfig) and stage.select:
                answers += stage.student_samples
            sampled = (training_problems(stage.data) or 0) * answers * stage.rollout.max_tokens
        found.append(StageWork(name=name, sampled=sampled, trained=trained))
    return found


def reinforce_work(stage: ReinforceConfig) -> tuple[int, int]:
    """Most tokens sampled, those thrown away included, and trained on."""
    selection = stage.algorithm.selection
    limits = [token_limit(selection, stage.rollout.max_tokens, step) for step in range(stage.steps)]
    group_tokens = sum(limits) * stage.rollout.completions_per_prompt
    begun = problems_at_once(selection, stage.prompts_per_step) * samplings(selection)
    return begun * group_tokens, stage.prompts_per_step * group_tokens


def budget_work(stage: BudgetConfig) -> int:
    """Thinking is sampled once for each number of waits, and cut for the smaller budgets; an answer for each point."""
    most = stage.rollout.max_tokens
    answers = sum(most - budget for budget in stage.budgets) * (stage.waits + 1)
    return held_out_problems(stage) * stage.samples_per_problem * (most * (stage.waits + 1) + answers)


def training_flops(parameters: int, work: list[StageWork]) -> int:
    """Multiply-adds counted twice: 6 per parameter and trained token, 2 per sampled one (Kaplan et al. 2020, 2.1)."""
    return parameters * sum(6 * stage.trained + 2 * stage.sampled for stage in work)
