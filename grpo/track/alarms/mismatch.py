"""Trainer and sampler drift apart."""

from __future__ import annotations

from statistics import fmean

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import latest
from grpo.track.alarms.history import History

LEVEL, STEPS = 0.01, 5
"""Nats, in a row."""
GROWTH, GROWTH_STEPS = 5.0, 10
"""Times the stage's first steps, over so many steps at either end."""
FLOOR = 0.001
"""Nats; growth below it is rounding."""


def mismatch(history: History) -> str | None:
    """On `mismatch_kl`, high or growing."""
    values = history.now.series("mismatch_kl")
    now = latest(values, STEPS)
    if now and min(now) >= LEVEL:
        return f"mismatch_kl is {fmean(now):.2g} nats, at least {LEVEL} for {STEPS} steps"
    start, end = history.now.start("mismatch_kl")[:GROWTH_STEPS], latest(values, GROWTH_STEPS)
    if len(start) < GROWTH_STEPS or not end or fmean(end) < max(FLOOR, GROWTH * fmean(start)):
        return None
    return f"mismatch_kl has grown from {fmean(start):.2g} to {fmean(end):.2g} nats"


ALARM = Alarm(
    finds=mismatch,
    when=f"`mismatch_kl` is at least {LEVEL} nats for {STEPS} steps in a row, or its mean over {GROWTH_STEPS} steps is "
    f"at least {GROWTH:g} times that of the stage's first {GROWTH_STEPS} and {FLOOR} nats.",
    meaning="The sampler no longer runs the weights or the numerics of the trainer: the update learns from another "
    "policy than it thinks.",
    advice="compare dtypes and versions of the two, keep algorithm.importance on, and lower rollout.max_logprob_diff "
    "so that such a run stops",
    source="level: the upper end of verl's rejection thresholds (0.001 to 0.01); growth is watched in prime-rl",
)
