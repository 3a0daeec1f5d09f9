"""Questions that the run is measured on stay out of the data sets it writes.

DeepSeek-R1 drops what shares 10 words in a row with a test question (arXiv 2501.12948), s1 what shares 8
(arXiv 2501.19393). Generated problems are compared whole, see `HeldOut`.
"""

from __future__ import annotations

from dataclasses import dataclass

from grpo.config.schema import BudgetConfig, EvaluateConfig, StageConfig
from grpo.config.stages_data import DataSetConfig
from grpo.data.contamination import HeldOut, compared_words
from grpo.stages.context import RunContext
from grpo.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedOn:
    """The held-out problems of the pipeline's evaluations, one index for each set."""

    sets: tuple[HeldOut, ...] = ()

    def __contains__(self, problem: Problem) -> bool:
        """Whether it overlaps with one of them."""
        return any(problem in held_out for held_out in self.sets)


def evaluated_on(stage: DataSetConfig, context: RunContext) -> EvaluatedOn:
    """What `evaluate` and `budget` stages of the pipeline hold out; nothing with `decontaminate` of 0.

    A set that a stage of this run writes is left out: to evaluate on it is to evaluate on what was trained on.
    """
    if stage.decontaminate == 0:
        return EvaluatedOn()
    stages = [context.config.stages[name] for name in context.config.pipeline]
    sources = {
        (repr(one.data), one.data_from): one
        for one in stages
        if isinstance(one, EvaluateConfig | BudgetConfig) and one.data_from not in context.config.stages
    }
    return EvaluatedOn(sets=tuple(_indexed(one, stage.decontaminate, context) for one in sources.values()))


def _indexed(measuring: StageConfig, words: int, context: RunContext) -> HeldOut:
    ngram_words = compared_words(measuring.data, measuring.data_from, words)
    return HeldOut(context.problems(measuring, "held_out"), ngram_words)
