"""Too many completions do not fit."""

from __future__ import annotations

from statistics import fmean

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import latest
from grpo.track.alarms.history import History

SHARE, STEPS = 0.1, 5
"""Of the completions, in a row."""


def truncation(history: History) -> str | None:
    """On `completions/clipped_ratio`."""
    now = latest(history.now.series("completions/clipped_ratio"), STEPS)
    if not now or min(now) <= SHARE:
        return None
    return f"{fmean(now):.0%} of the completions are cut off at the limit for {STEPS} steps"


ALARM = Alarm(
    finds=truncation,
    when=f"`completions/clipped_ratio` is above {SHARE} for {STEPS} steps in a row.",
    meaning="Cut-off completions have no answer, so the limit is learnt from and not the task.",
    advice="raise rollout.max_tokens, take truncated completions out of the loss (algorithm.truncated=mask), or add "
    "the soft_overlong reward",
    source="above 10 % in ScaleRL; the steps are our judgement",
)
