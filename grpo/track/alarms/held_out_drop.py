"""Training earns more while held-out accuracy falls."""

from __future__ import annotations

import math

from grpo.track.alarms.alarm import Alarm
from grpo.track.alarms.criteria import NOISE, rise
from grpo.track.alarms.history import History, StageHistory

ACCURACY = "eval/sampled_accuracy"
WINDOW = 20
"""Steps at either end of the training stage between the two evaluations."""


def held_out_drop(history: History) -> str | None:
    """At an evaluation, against the one before it; the last training stage between them must have earned more."""
    here = history.now.series(ACCURACY)
    if not here:
        return None
    between: list[StageHistory] = []
    for stage in reversed(history.earlier):
        if stage.series(ACCURACY):
            break
        between.append(stage)
    else:
        return None
    trained = next((one for one in between if one.series("reward")), None)
    if trained is None:
        return None
    drop = stage.series(ACCURACY)[-1] - here[-1]
    earned = trained.start("reward")[:WINDOW], trained.series("reward")[-WINDOW:]
    if drop <= math.hypot(_half_width(stage), _half_width(history.now)) or min(map(len, earned)) < 2:
        return None
    if rise(*earned) < NOISE:
        return None
    fall = f"held-out accuracy fell by {100 * drop:.1f} points since {stage.stage}"
    return f"{fall} while the reward of {trained.stage} rose"


def _half_width(stage: StageHistory) -> float:
    low, high = stage.series(ACCURACY + "_low"), stage.series(ACCURACY + "_high")
    return (high[-1] - low[-1]) / 2 if low and high else 0.0


ALARM = Alarm(
    finds=held_out_drop,
    when="At an evaluation `eval/sampled_accuracy` is lower than at the one before by more than both 95 % intervals "
    f"together allow (root of the sum of their squared half-widths), and the `reward` of the last {WINDOW} steps of "
    f"the training stage between them is above that of its first {WINDOW} by {NOISE:g} standard errors.",
    meaning="What the rewards pay is not what the evaluation asks: the rewards are hacked, or the problems learnt by "
    "heart.",
    advice="compare rollouts of training and evaluation, and use the model of an earlier stage",
    source="our judgement",
)
