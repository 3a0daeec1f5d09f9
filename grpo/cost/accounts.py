"""The accounts at a run's two ends."""

from __future__ import annotations

from grpo.config.schema import RunConfig
from grpo.cost.book import CostBook
from grpo.cost.estimate import estimate_cost, matrix_rate
from grpo.run.summary import Summary

RATE_SECONDS = 0.05
"""For measuring the matrix rate: a run's start should not wait for it."""


def open_accounts(costs: CostBook, summary: Summary, config: RunConfig) -> None:
    """Look at the project's other runs, and estimate the cost, unless the run was begun earlier and has an estimate."""
    costs.look_around()
    if not summary.content["cost"].get("estimate"):
        estimate = estimate_cost(config, costs.project.runs, lambda dtype: matrix_rate(dtype, seconds=RATE_SECONDS))
        summary.set_cost({"estimate": estimate.entry()})
    summary.set_cost(costs.sums("running", summary.content))


def close_accounts(costs: CostBook, summary: Summary, status: str) -> None:
    """The last sums, with what other runs have used meanwhile."""
    costs.look_around()
    costs.close()
    summary.set_cost(costs.sums(status, summary.content))
