"""Metrics of stages that write a data set."""

from __future__ import annotations

from grpo.track.metric import Metric

DATA_SETS = (
    Metric("traces/sampled", "completions", "Completions that were sampled for the data set."),
    Metric(
        "traces/dropped/<name>",
        "completions",
        "Completions whose first failed filter is this one.",
        "`failed` is 0; `wrong` is the largest.",
    ),
    Metric("traces/kept", "completions", "Completions that became demonstrations."),
    Metric(
        "traces/problems_covered",
        "share",
        "Problems with a demonstration, of those sampled.",
        "Close to the share of problems the model solves at all in so many tries.",
    ),
)
