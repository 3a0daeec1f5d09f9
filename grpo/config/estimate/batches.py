"""How prompts become completions, micro-batches and optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Iterator

from grpo.config.schema import BudgetConfig, EvaluateConfig, ReinforceConfig, RunConfig, SFTConfig
from grpo.config.selection import problems_at_once, samplings
from grpo.config.slices import DataConfig
from grpo.config.stages_data import DataSetConfig, DistillConfig


def batch_lines(config: RunConfig) -> Iterator[str]:
    """One line per stage of the pipeline: how prompts become completions, micro-batches and optimizer steps."""
    for name in config.pipeline:
        stage = config.stages[name]
        if isinstance(stage, ReinforceConfig):
            yield f"{name}: {reinforce_line(stage)}"
        elif isinstance(stage, SFTConfig):
            yield f"{name}: {stage.demonstrations_per_step} demonstrations → 1 optimizer step, {stage.steps:,} times"
        elif isinstance(stage, EvaluateConfig):
            yield (
                f"{name}: at most {held_out_problems(stage):,} held-out problems × "
                f"({stage.samples_per_problem} sampled + 1 greedy) completions"
            )
        elif isinstance(stage, BudgetConfig):
            yield (
                f"{name}: at most {held_out_problems(stage):,} held-out problems × {stage.samples_per_problem} × "
                f"{len(stage.budgets)} budgets × {stage.waits + 1} numbers of waits"
            )
        elif isinstance(stage, DataSetConfig):
            yield f"{name}: {data_set_line(stage)}"
        else:
            yield f"{name}: writes the model of {stage.model_from}"


def data_set_line(stage: DataSetConfig) -> str:
    """Whose completions become a data set, and how many of them at most."""
    count = training_problems(stage.data) if stage.data_from == "base" else None
    writer = stage.teacher if isinstance(stage, DistillConfig) else stage.model_from
    return (
        f"{'all' if count is None else f'{count:,}'} problems × {stage.rollout.completions_per_prompt} completions of "
        f"≤ {stage.rollout.max_tokens} tokens by {writer} → a data set, at most {stage.per_problem} of a problem"
    )


def training_problems(data: DataConfig) -> int | None:
    """Problems a stage trains on or samples; None where only the file knows."""
    return data.arithmetic.problems if data.source == "arithmetic" else data.rows


def reinforce_line(stage: ReinforceConfig) -> str:
    """The batch arithmetic of one rollout step."""
    group = stage.rollout.completions_per_prompt
    completions = stage.prompts_per_step * group
    cap = stage.optimizer.max_tokens_per_micro_batch
    batches = math.ceil(completions * stage.rollout.max_tokens / cap)
    steps = stage.optimizer_steps_per_rollout
    batches = max(batches, steps)
    return (
        f"{stage.prompts_per_step} prompts × {group} completions = {completions} completions of ≤ "
        f"{stage.rollout.max_tokens} tokens → about {batches} {plural('micro-batch', batches)} of ≤ {cap} tokens → "
        f"{steps} optimizer {plural('step', steps)}, {stage.steps:,} times{''.join(selection_notes(stage))}"
    )


def selection_notes(stage: ReinforceConfig) -> Iterator[str]:
    """What the selection of groups adds to the batch arithmetic."""
    selection, group = stage.algorithm.selection, stage.rollout.completions_per_prompt
    at_once, most = problems_at_once(selection, stage.prompts_per_step), samplings(selection)
    if at_once > stage.prompts_per_step:
        yield f"; oversample: {at_once} prompts are begun for {stage.prompts_per_step} complete groups"
    if selection.refill:
        yield f"; refill: up to {most} {plural('sampling', most)} a step, {most * at_once * group} completions"
    for start, limit in zip(selection.length_steps, selection.length_limits, strict=True):
        yield f"; ≤ {limit} tokens from step {start}"


def plural(word: str, count: int) -> str:
    """`step` or `steps`, `micro-batch` or `micro-batches`."""
    return word if count == 1 else word + ("es" if word.endswith("ch") else "s")


def held_out_problems(stage: EvaluateConfig | BudgetConfig) -> int:
    """Most problems an evaluation looks at."""
    data = stage.data
    return min(data.arithmetic.held_out, data.eval_rows) if data.source == "arithmetic" else data.eval_rows
