"""Metrics of evaluations, alarms, speed and memory."""

from __future__ import annotations

from grpo.track.metric import Metric

EVAL = (
    Metric(
        "eval/sampled_accuracy",
        "share",
        "Held-out accuracy of completions sampled at temperature 1.",
        "Higher after training than before, by more than the interval is wide.",
    ),
    Metric("eval/sampled_accuracy_low", "share", "Lower end of its 95 % interval."),
    Metric("eval/sampled_accuracy_high", "share", "Upper end of its 95 % interval."),
    Metric(
        "eval/greedy_accuracy",
        "share",
        "Held-out accuracy of the greedy completion.",
        "Higher after training than before, by more than the interval is wide.",
    ),
    Metric("eval/greedy_accuracy_low", "share", "Lower end of its 95 % interval."),
    Metric("eval/greedy_accuracy_high", "share", "Upper end of its 95 % interval."),
    Metric("eval/format", "share", "Held-out completions in the required format.", "Close to 1."),
    Metric(
        "eval/<name>",
        "",
        "Mean of a reward function after the first over the sampled held-out completions; its 95 % interval is in "
        "`summary.json`.",
    ),
)

ALARM = (
    Metric(
        "alarm/<name>",
        "",
        "1 in steps at which an alarm is on, 0 in the one that clears it, else absent.",
        "Absent throughout.",
    ),
)

SPEED = (
    Metric("num_tokens", "tokens", "Tokens sampled since the start of the stage, each completion with its prompt."),
    Metric("step_time", "s", "Wall time of the step.", "Steady.", timed=True),
    Metric("time/rollout", "s", "Wall time of sampling.", timed=True),
    Metric("time/reward", "s", "Wall time of scoring.", timed=True),
    Metric("time/update", "s", "Wall time of the forward and backward passes and the optimizer.", timed=True),
    Metric("time/sync", "s", "Wall time of handing the new weights to the sampler.", timed=True),
    Metric("time/checkpoint", "s", "Wall time of writing a checkpoint.", timed=True),
    Metric("tokens_per_second/sampled", "tokens/s", "Completion tokens per second of sampling.", timed=True),
    Metric("tokens_per_second/trained", "tokens/s", "Scored tokens per second of update.", timed=True),
    Metric(
        "memory/peak_rss_bytes",
        "bytes",
        "Highest memory of the stage so far: resident in the process, on a GPU allocated there.",
        "Flat after the first steps; steady growth is a leak.",
        timed=True,
    ),
)
