"""What can be wrong in a stage that measures."""

from __future__ import annotations

from collections.abc import Iterator

from grpo.config.check_off_policy import filter_problems
from grpo.config.schema import BudgetConfig, EvaluateConfig
from grpo.config.waits import WAIT_TEXT

THINK_CLOSE = "</think>"
"""As in `grpo.rewards.text`; a test holds the two equal."""


def evaluation_problems(path: str, stage: EvaluateConfig) -> Iterator[str]:
    """Sampling that draws nothing, or that the engine cannot do."""
    yield from filter_problems(f"{path}.rollout", stage.rollout)
    if stage.rollout.temperature == 0:
        yield f"{path}.rollout.temperature=0: the greedy completion is measured beside the sampled; valid is above 0"


def budget_problems(path: str, stage: BudgetConfig) -> Iterator[str]:
    """Budgets without order or room for an answer, several greedy samples, and texts that end or extend nothing."""
    yield from filter_problems(f"{path}.rollout", stage.rollout)
    budgets, most = stage.budgets, stage.rollout.max_tokens
    if not budgets or budgets != sorted(set(budgets)):
        yield f"{path}.budgets={budgets}: valid is at least one number of tokens, each larger than the one before"
    elif budgets[-1] >= most:
        yield (
            f"{path}.budgets={budgets}: thinking and answer share {path}.rollout.max_tokens={most}; valid is below that"
        )
    if stage.rollout.temperature == 0 and stage.samples_per_problem > 1:
        yield (
            f"{path}.samples_per_problem={stage.samples_per_problem}: greedy completions of a problem are all the "
            f"same; valid is 1, or {path}.rollout.temperature above 0"
        )
    if THINK_CLOSE not in stage.end_text:
        yield f"{path}.end_text={stage.end_text!r}: valid is text with the end of thinking, {THINK_CLOSE}, in it"
    if stage.waits > 0 and (not stage.wait_text or THINK_CLOSE in stage.wait_text):
        yield f"{path}.wait_text={stage.wait_text!r}: valid is some text without {THINK_CLOSE}"
    yield from unseen_waits(path, stage)


def unseen_waits(path: str, stage: BudgetConfig) -> Iterator[str]:
    """A wait other than the one that the demonstrations hold, as a slip of the pen would make it."""
    data = stage.data
    waiting = data.source == "arithmetic" and data.arithmetic.reconsidered > 0
    if waiting and stage.waits > 0 and stage.wait_text != WAIT_TEXT:
        yield (
            f"{path}.wait_text={stage.wait_text!r}: the demonstrations wait with {WAIT_TEXT!r} "
            f"(data.arithmetic.reconsidered={data.arithmetic.reconsidered}); valid is that, or, to measure a "
            f"text they do not hold, {path}.data.arithmetic.reconsidered=0"
        )
