"""Metrics of evaluations, alarms, cost, speed and memory."""

from __future__ import annotations

from grpo.track.metric import Metric

EVAL = (
    Metric(
        "eval/sampled_accuracy",
        "share",
        "Held-out accuracy of sampled completions, at temperature 1 unless the stage says otherwise; avg@k.",
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
    Metric("eval/pass@<name>", "share", "Held-out problems of which at least one of k samples is right, unbiased."),
    Metric("eval/maj@<name>", "share", "Held-out problems of which the most common answer of k samples is right."),
    Metric(
        "eval/std_between_samples",
        "share",
        "Standard deviation of the accuracy from one sample of all problems to the next, each with seeds of its own.",
    ),
    Metric(
        "eval/contaminated",
        "share",
        "Held-out problems that share 10 words in a row, or the whole text, with problems trained on before; generated "
        "ones count with the whole text alone.",
        "Zero; above it, compare the accuracies with and without them in summary.json.",
    ),
    Metric("eval/format", "share", "Held-out completions in the required format.", "Close to 1."),
    Metric("eval/rewards/<name>_low", "", "Lower end of the 95 % interval of `eval/rewards/<name>`."),
    Metric("eval/rewards/<name>_high", "", "Upper end of its 95 % interval."),
    Metric(
        "eval/rewards/<name>",
        "",
        "Mean of a reward function after the first over the sampled held-out completions; greedy ones are in "
        "`summary.json`.",
    ),
)

BUDGET = (
    Metric(
        "budget/<name>/accuracy",
        "share",
        "Held-out accuracy when thinking is cut at so many tokens, and extended so many times (`16_tokens_1_waits`).",
        "It rises with the budget; where it does not, more thinking buys nothing.",
    ),
    Metric("budget/<name>/thinking_tokens", "tokens", "Mean tokens of thinking at that budget, forced ones included."),
    Metric(
        "budget/<name>/control",
        "share",
        "s1's Control for one number of waits: completions that think no longer than their budget.",
        "1.",
    ),
    Metric(
        "budget/<name>/scaling",
        "points per 1,000 tokens",
        "s1's Scaling: mean slope of accuracy over tokens of thinking, over all pairs of budgets.",
        "Above zero.",
    ),
    Metric("budget/<name>/performance", "share", "s1's Performance: highest accuracy over the budgets."),
)

ALARM = (
    Metric(
        "alarm/<name>",
        "",
        "1 in steps at which an alarm is on, 0 in the one that clears it, else absent.",
        "Absent throughout.",
    ),
)

COST = (
    Metric(
        "cost/final",
        "device-hours",
        "Of this run so far, with what was done twice after a kill; in the last step of a stage.",
        "Close to the estimate.",
        timed=True,
    ),
    Metric(
        "cost/loaded",
        "device-hours",
        "Of all runs of the run root so far, failed and superseded ones too; in the last step of a stage.",
        "Read beside cost/final, never alone.",
        timed=True,
    ),
    Metric(
        "cost/final_amount",
        "",
        "`cost/final` in money, in `cost.currency`; only with a price per device-hour.",
        timed=True,
    ),
    Metric(
        "cost/loaded_amount",
        "",
        "`cost/loaded` in money, of the runs of the run root with a price in that currency.",
        timed=True,
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
