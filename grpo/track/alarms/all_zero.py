"""No completion earns anything."""

from __future__ import annotations

from statistics import fmean

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import latest
from grpo.track.alarms.history import History

SHARE, STEPS = 0.95, 10
"""Of the groups, in a row."""


def all_zero(history: History) -> str | None:
    """On `all_zero_ratio`, which looks at the first reward function alone."""
    now = latest(history.now.series("all_zero_ratio"), STEPS)
    if not now or min(now) < SHARE:
        return None
    return f"{fmean(now):.0%} of the groups have no completion with any reward for {STEPS} steps"


ALARM = Alarm(
    finds=all_zero,
    when=f"`all_zero_ratio` is at least {SHARE} for {STEPS} steps in a row.",
    meaning="The task is out of reach, or the reward cannot read the answers: there is nothing to learn from.",
    advice="check the reward on a few rollouts, start from a better model or with easier problems, or sample more "
    "completions per prompt",
    source="our judgement",
)
