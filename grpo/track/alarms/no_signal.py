"""Nearly all groups are dead."""

from __future__ import annotations

from statistics import fmean

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import is_solved, latest
from grpo.track.alarms.history import History

SHARE, STEPS = 0.8, 10
"""Of the groups, in a row."""


def no_signal(history: History) -> str | None:
    """A solved task (`criteria.SOLVED`) has no signal either, and nothing is wrong."""
    now = latest(history.now.series("frac_reward_zero_std"), STEPS)
    if not now or min(now) <= SHARE or is_solved(history.now):
        return None
    return f"{fmean(now):.0%} of the groups have equal rewards for {STEPS} steps, and the task is not solved"


ALARM = Alarm(
    finds=no_signal,
    when=f"`frac_reward_zero_std` is above {SHARE} for {STEPS} steps in a row, and the first reward's mean is below "
    "0.9.",
    meaning="Groups with equal rewards have no advantages: nearly all sampling is wasted.",
    advice="choose problems of middling difficulty (algorithm.selection), raise rollout.completions_per_prompt, or "
    "raise rollout.temperature",
    source="level proposed from published runs; the steps are our judgement",
)
