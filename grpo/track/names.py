"""Every metric's name, unit and meaning, defined once.

`python -m grpo.track.names` prints the table that `docs/metrics.md` holds.
Names follow TRL where TRL has one, so that dashboards people already own keep working.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from grpo.track.metric import PLACEHOLDER, Metric
from grpo.track.off_policy_metrics import OFF_POLICY

LINE_KEYS = ("step", "stage", "stage_step", "wall_time")
"""What every line of `metrics.jsonl` has beside its metrics."""


REWARD = (
    Metric(
        "reward",
        "",
        "Mean weighted reward over the step's scored completions.",
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
        "Groups in which every completion got the same reward.",
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
        "Groups in which no completion earned anything: too hard.",
        "It should shrink as the policy learns.",
    ),
    Metric(
        "all_one_ratio",
        "share",
        "Groups in which every completion earned the full reward: too easy.",
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

POLICY = (
    Metric(
        "loss",
        "",
        "Loss of the step: the policy loss in RL, mean negative log-likelihood in SFT.",
        "In SFT it falls; in RL it hovers around zero and says little, so read the reward instead.",
    ),
    Metric(
        "kl",
        "nats",
        "k3 estimate of KL(policy || reference) per token.",
        "Slow growth; a sudden rise means the policy runs away from its start.",
    ),
    Metric(
        "entropy",
        "nats",
        "Mean entropy of the policy's next-token distribution over sampled tokens.",
        "A gentle decline; near zero the policy stops exploring, a steep rise means it falls apart.",
    ),
    Metric("clip_ratio/low_mean", "share", "Tokens with negative advantage whose ratio fell below 1 - clip_low."),
    Metric("clip_ratio/high_mean", "share", "Tokens with positive advantage whose ratio rose above 1 + clip_high."),
    Metric(
        "clip_ratio/region_mean",
        "share",
        "Tokens whose gradient was stopped by clipping, either side.",
        "Zero with one optimizer step per rollout; a few per cent with several.",
    ),
    Metric(
        "grad_norm",
        "",
        "Global norm of the gradient before it is scaled down.",
        "Steady; spikes that grow are the first sign of instability.",
    ),
    Metric("learning_rate", "", "Learning rate of the step.", "It follows the schedule you set."),
)

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

SECTIONS: tuple[tuple[str, tuple[Metric, ...]], ...] = (
    ("Reward", REWARD),
    ("Completions", COMPLETIONS),
    ("Policy", POLICY),
    ("Off-policy", OFF_POLICY),
    ("Evaluation", EVAL),
    ("Speed and memory", SPEED),
)
"""Dashboard sections, in reading order."""

METRICS: tuple[Metric, ...] = tuple(metric for _, section in SECTIONS for metric in section)
_EXACT = {metric.name: metric for metric in METRICS if PLACEHOLDER not in metric.name}
_PATTERNS = tuple(
    (re.compile(re.escape(metric.name).replace(re.escape(PLACEHOLDER), r"[^/]+(?:/[^/]+)*")), metric)
    for metric in METRICS
    if PLACEHOLDER in metric.name
)


def describe(name: str) -> Metric | None:
    """The definition of a metric, `rewards/<name>/...` included; None when it is not defined."""
    if name in _EXACT:
        return _EXACT[name]
    return next((metric for pattern, metric in _PATTERNS if pattern.fullmatch(name)), None)


def is_time_field(name: str) -> bool:
    """Whether a key of `metrics.jsonl` depends on the machine and may differ after a bit-identical resume."""
    metric = describe(name)
    return name == "wall_time" or (metric is not None and metric.timed)


def check_names(values: Iterable[str]) -> None:
    """Raise ValueError naming every metric that is not defined here, with its nearest neighbour."""
    unknown = [name for name in values if describe(name) is None]
    if not unknown:
        return
    known = [metric.name for metric in METRICS]
    parts = []
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        parts.append(f"{name!r}" + (f" (nearest: {near[0]!r})" if near else ""))
    raise ValueError(f"metrics not defined in grpo/track/names.py: {', '.join(parts)}")


def markdown_table() -> str:
    """The text of `docs/metrics.md`: one table per dashboard section."""
    lines = [
        "# Metrics",
        "",
        "Generated by `python -m grpo.track.names > docs/metrics.md`; edit `grpo/track/names.py`.",
        "",
        "Each line of `metrics.jsonl` has `step` (from 1 over the whole run), `stage`, `stage_step`, "
        "`wall_time` (unix seconds) and the metrics that apply. NaN and infinity are written as `null`. "
        "Fields marked *machine* depend on the machine and may differ after a resume; all others may not.",
    ]
    for title, metrics in SECTIONS:
        lines += ["", f"## {title}", "", "| name | unit | meaning | a healthy run |", "|---|---|---|---|"]
        for metric in metrics:
            unit = (metric.unit or "-") + (", *machine*" if metric.timed else "")
            lines.append(f"| `{metric.name}` | {unit} | {_cell(metric.meaning)} | {_cell(metric.good)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown_table(), end="")
