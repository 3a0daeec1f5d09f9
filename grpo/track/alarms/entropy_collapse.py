"""The policy has become sure of itself before it is right."""

from __future__ import annotations

from statistics import fmean

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import is_solved, latest
from grpo.track.alarms.history import History

SHARE = 0.05
"""Of the stage's first entropy. Runs of the embedded task that reach 95 % accuracy end at a fifth of it."""
START = 10
"""Steps that give the first entropy."""
STEPS = 5
"""In a row."""


def entropy_collapse(history: History) -> str | None:
    """Low entropy is healthy once the task is solved (`criteria.SOLVED`), and only then."""
    start, now = history.now.start("entropy")[:START], latest(history.now.series("entropy"), STEPS)
    if len(start) < START or not now or max(now) > SHARE * fmean(start) or is_solved(history.now):
        return None
    return (
        f"entropy is {fmean(now):.2g} nats, at most {SHARE:.0%} of the {fmean(start):.2g} it began with for {STEPS} "
        "steps, and the task is not solved"
    )


ALARM = Alarm(
    finds=entropy_collapse,
    when=f"`entropy` is at most {SHARE:.0%} of its mean over the stage's first {START} steps for {STEPS} steps in a "
    "row, and the first reward's mean is below 0.9.",
    meaning="The policy writes the same completion every time, so groups no longer differ and nothing new is found.",
    advice="lower optimizer.lr, raise algorithm.clip_high, or add algorithm.entropy_coef; go on from a checkpoint "
    "before the fall",
    source="our judgement",
)
