"""Metrics of rewards and of the completions they are given for."""

from __future__ import annotations

from grpo.track.metric import Metric

REWARD = (
    Metric(
        "reward",
        "",
        "Mean weighted reward over the step's scored completions, those of groups thrown away included.",
        "It should climb, fast at first and then slower; a flat line means no learning signal.",
    ),
    Metric(
        "reward_std",
        "",
        "Mean over groups of the standard deviation of rewards within a group.",
        "It must stay above zero: groups whose completions all score the same teach nothing.",
    ),
    Metric(
        "frac_reward_zero_std",
        "share",
        "Groups in which every completion got the same reward; of all groups sampled, also those thrown away.",
        "Below 0.8; near 1 the problems are all too easy or all too hard.",
    ),
    Metric(
        "rewards/<name>/mean",
        "",
        "Mean raw value of one reward function, before its weight.",
        "Each part should rise; format rising while correctness stands still hints at reward hacking.",
    ),
    Metric("rewards/<name>/std", "", "Standard deviation of one reward function's raw values over the step."),
    Metric(
        "reward_metrics/<name>_ms", "ms", "A time that a reward function gave to `log_metric`, its mean.", timed=True
    ),
    Metric("reward_metrics/<name>", "", "What a reward function gave to `log_metric` under this name, its mean."),
    Metric(
        "all_zero_ratio",
        "share",
        "Groups in which the first reward function gave no completion more than 0: too hard.",
        "It should shrink as the policy learns.",
    ),
    Metric(
        "all_one_ratio",
        "share",
        "Groups in which the first reward function gave every completion 1 or more: too easy.",
        "It grows as the policy learns; near 1 the data is used up.",
    ),
    Metric(
        "reward_errors",
        "completions",
        "Completions that could not be scored (exception or overrun).",
        "Zero; errored completions get no gradient.",
    ),
)

COMPLETIONS = (
    Metric(
        "completions/mean_length",
        "tokens",
        "Mean completion length.",
        "Slow growth is normal for reasoning; a jump to the limit or a fall to a few tokens is collapse.",
    ),
    Metric("completions/min_length", "tokens", "Shortest completion."),
    Metric("completions/max_length", "tokens", "Longest completion."),
    Metric("completions/mean_terminated_length", "tokens", "Mean length of the completions that ended by themselves."),
    Metric(
        "completions/clipped_ratio",
        "share",
        "Completions cut off at the token limit.",
        "Below 0.1; above it, answers are lost because they do not fit.",
    ),
)
