"""Another reward is earned at the cost of right answers."""

from __future__ import annotations

from statistics import fmean

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import NOISE, rise
from grpo.track.alarms.history import History

WINDOW = 20
"""Steps: the latest against as many before them."""
FALL = 0.1
"""Least fall of the first reward's mean, as a share of what it was: a sure but tiny change is no hacking."""


def reward_hacking(history: History) -> str | None:
    """The first reward function says what is right; all others are means to it."""
    names = history.now.rewards()
    series = {name: history.now.series(name)[-2 * WINDOW :] for name in names}
    if not names or len(series[names[0]]) < 2 * WINDOW:
        return None
    right = series[names[0]]
    before, after = fmean(right[:WINDOW]), fmean(right[WINDOW:])
    if before - after < FALL * abs(before) or rise(right[:WINDOW], right[WINDOW:]) > -NOISE:
        return None
    for name in names[1:]:
        other = series[name]
        if len(other) == 2 * WINDOW and rise(other[:WINDOW], other[WINDOW:]) >= NOISE:
            return (
                f"{_short(name)} rose from {fmean(other[:WINDOW]):.2f} to {fmean(other[WINDOW:]):.2f} while "
                f"{_short(names[0])} fell from {before:.2f} to {after:.2f}, over {2 * WINDOW} steps"
            )
    return None


def _short(name: str) -> str:
    return name.removeprefix("rewards/").removesuffix("/mean")


ALARM = Alarm(
    finds=reward_hacking,
    when=f"Over the last {WINDOW} steps against the {WINDOW} before, the first reward's mean fell by at least "
    f"{FALL:.0%} of what it was and another reward's mean rose, each by {NOISE:g} standard errors or more (Welch's t).",
    meaning="The policy earns the other reward at the cost of right answers.",
    advice="lower that reward's weight, pay it only together with a right answer, and read the rollouts",
    source="our judgement",
)
