"""Completions shrink to almost nothing, or run into the limit."""

from __future__ import annotations

from statistics import fmean, median

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import NOISE, latest, rise
from grpo.track.alarms.history import History

STEPS = 5
"""In a row."""
BEFORE, LEAST_BEFORE = 50, 10
"""Steps before those whose median is the running level, and the fewest that make one."""
FALL = 0.25
"""Share of the running level."""
JUMP, AT_LIMIT = 2.0, 0.9
"""Times the running level, and the share of completions that the limit cut off."""


def length_collapse(history: History) -> str | None:
    """Shorter answers are healthy when they are right more often: a fall counts while accuracy does not rise."""
    lengths, accuracy = history.now.series("completions/mean_length"), history.now.accuracy()
    now, before = lengths[-STEPS:], lengths[:-STEPS][-BEFORE:]
    if len(before) < LEAST_BEFORE:
        return None
    level = median(before)
    pair = accuracy[:-STEPS][-BEFORE:], accuracy[-STEPS:]
    better = len(pair[0]) >= LEAST_BEFORE and rise(*pair) >= NOISE
    if max(now) <= FALL * level and not better:
        return f"mean length fell from {level:.1f} to {fmean(now):.1f} tokens and accuracy did not rise"
    cut = latest(history.now.series("completions/clipped_ratio"), STEPS)
    if min(now) >= JUMP * level and cut and min(cut) >= AT_LIMIT:
        return f"mean length jumped from {level:.1f} to {fmean(now):.1f} tokens, and nearly all are cut off"
    return None


ALARM = Alarm(
    finds=length_collapse,
    when=f"For {STEPS} steps in a row `completions/mean_length` is at most {FALL:.0%} of the median of the {BEFORE} "
    f"steps before and the first reward's mean has not risen by {NOISE:g} standard errors; or it is at least "
    f"{JUMP:g} times that median with `completions/clipped_ratio` at least {AT_LIMIT}. It clears when the median "
    "has followed.",
    meaning="The policy found that saying nothing, or never ending, is paid as well as an answer.",
    advice="look at the rollouts for what the rewards pay, and lower optimizer.lr if the text is broken",
    source="mean length at the limit is a published alarm; the numbers are our judgement",
)
