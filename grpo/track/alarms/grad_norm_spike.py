"""The gradient has begun to spike."""

from __future__ import annotations

from statistics import median

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.history import History

FACTOR = 5.0
"""A spike is at least this many times the median of the steps before."""
SPIKES, WITHIN = 3, 20
"""So many of the latest steps."""
LEAST_BEFORE = 20
"""Fewest steps before those that make a median."""


def grad_norm_spike(history: History) -> str | None:
    """One spike is a bad batch; several are the beginning of an instability."""
    norms = history.now.series("grad_norm")
    before, now = norms[:-WITHIN], norms[-WITHIN:]
    if len(before) < LEAST_BEFORE:
        return None
    level = median(before)
    spikes = [norm for norm in now if norm >= FACTOR * level > 0]
    if len(spikes) < SPIKES:
        return None
    return f"{len(spikes)} of the last {WITHIN} gradient norms are at least {FACTOR:g} times their usual {level:.2g}"


ALARM = Alarm(
    finds=grad_norm_spike,
    when=f"At least {SPIKES} of the last {WITHIN} values of `grad_norm` are at least {FACTOR:g} times the median of "
    "the up to 80 steps before them.",
    meaning="Spikes that repeat are the first sign of instability, steps before the reward shows it.",
    advice="lower optimizer.lr or optimizer.max_grad_norm, or raise prompts_per_step",
    source="growing spikes are watched in prime-rl; the numbers are our judgement",
)
