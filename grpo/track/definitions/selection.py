"""Metrics of the selection of problems and groups; each is logged where its knob is in use."""

from __future__ import annotations

from grpo.track.metric import Metric

SELECTION = (
    Metric(
        "selection/batches",
        "",
        "Samplings of the step under dynamic sampling.",
        "Far below algorithm.selection.max_batches; at it, steps are smaller than asked for.",
    ),
    Metric("selection/groups_kept", "groups", "Groups the step learns from under dynamic sampling."),
    Metric(
        "selection/groups_thrown_away",
        "groups",
        "Groups sampled and not learnt from: equal rewards, or beyond prompts_per_step.",
        "What dynamic sampling costs: these groups took as long to sample as the others.",
    ),
    Metric(
        "selection/groups_stopped",
        "groups",
        "Groups that over-sampling began and stopped before they were complete, or that were not among the first.",
    ),
    Metric(
        "selection/tokens_discarded",
        "tokens",
        "Completion tokens of the stopped groups; num_tokens and the cost count them.",
        "Small beside the tokens of the complete groups.",
    ),
    Metric("selection/max_tokens", "tokens", "Token limit of the step's completions under a schedule of lengths."),
    Metric(
        "selection/pass_rate",
        "share",
        "Mean running pass rate of the problems seen so far.",
        "It climbs as the policy learns.",
    ),
    Metric(
        "selection/retired",
        "share",
        "Problems that are not sampled again because they are solved nearly always.",
        "Near 1 the data is used up.",
    ),
)
