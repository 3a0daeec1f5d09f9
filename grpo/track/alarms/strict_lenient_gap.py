"""A strict and a lenient reading of the same answers drift apart."""

from __future__ import annotations

from statistics import fmean

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import NOISE, latest, rise
from grpo.track.alarms.history import History

WINDOW = 20
"""Steps: the latest against the stage's first."""
GAP = 0.1
"""Least growth of the gap, a share of the completions."""
STRICT, LENIENT = "strict_accuracy", "lenient_accuracy"
"""Ends of the names of the two metrics; what stands before them pairs them."""


def strict_lenient_gap(history: History) -> str | None:
    """A gap that is there from the start and closes is the format being learnt; one that opens is not."""
    for lenient in (name for name in history.now.names() if name.endswith(LENIENT)):
        strict = lenient.removesuffix(LENIENT) + STRICT
        start = _gap(history.now.start(lenient), history.now.start(strict))[:WINDOW]
        now = latest(_gap(history.now.series(lenient), history.now.series(strict)), WINDOW)
        if len(start) < WINDOW or not now or fmean(now) - fmean(start) < GAP or rise(start, now) < NOISE:
            continue
        return (
            f"lenient accuracy is {100 * fmean(now):.0f} points above strict accuracy, {100 * fmean(start):.0f} at the "
            "start of the stage"
        )
    return None


def _gap(lenient: list[float], strict: list[float]) -> list[float]:
    """Both are logged together, so that they are of the same steps; nothing when they are not."""
    return [a - b for a, b in zip(lenient, strict, strict=True)] if len(lenient) == len(strict) else []


ALARM = Alarm(
    finds=strict_lenient_gap,
    when=f"The gap between a `.../{LENIENT}` and its `.../{STRICT}` is over the last {WINDOW} steps at least {GAP} "
    f"larger than over the stage's first {WINDOW}, and by {NOISE:g} standard errors.",
    meaning="Answers are right for the lenient reading only: the template breaks, or stray numbers pass for answers.",
    advice="reward the strict reading (reward.settings.math_answer.mode=strict), or give the format more weight",
    source="our judgement",
)
