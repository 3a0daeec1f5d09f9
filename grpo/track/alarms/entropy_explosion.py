"""The policy falls apart into random tokens."""

from __future__ import annotations

from statistics import fmean

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.history import History

FACTOR, WITHIN = 5.0, 50
"""Times its lowest level of the latest steps."""
LEVEL = 5
"""Steps whose mean is a level."""
FLOOR = 0.1
"""Nats; below it a policy may multiply its entropy and is still sure."""


def entropy_explosion(history: History) -> str | None:
    """The mean of the latest `LEVEL` steps against the lowest such mean of the latest `WITHIN`."""
    values = history.now.series("entropy")[-WITHIN:]
    levels = [fmean(values[place : place + LEVEL]) for place in range(len(values) - LEVEL + 1)]
    if not levels or levels[-1] < FLOOR or levels[-1] < FACTOR * min(levels):
        return None
    return f"entropy is {levels[-1]:.2g} nats, {FACTOR:g} times the {min(levels):.2g} of less than {WITHIN} steps ago"


ALARM = Alarm(
    finds=entropy_explosion,
    when=f"The mean `entropy` of {LEVEL} steps is at least {FACTOR:g} times the lowest such mean of the last {WITHIN} "
    f"steps, and at least {FLOOR} nats.",
    meaning="The policy forgets what it knew and writes ever more random tokens.",
    advice="lower optimizer.lr or algorithm.entropy_coef, or hold the policy with algorithm.kl_coef; go on from a "
    "checkpoint before the rise",
    source="factor and steps proposed from published alarm levels; the floor is our judgement",
)
