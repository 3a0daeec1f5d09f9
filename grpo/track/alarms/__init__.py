"""Alarms: ways for a run to go wrong, one file each, with thresholds as constants.

An alarm is a pure function of the metrics so far (`History`). `AlarmWatch` asks all of them after every step.
`grpo.config` reads the names from this file without importing it.
"""

from __future__ import annotations

from grpo.track.alarms import (
    all_zero,
    entropy_collapse,
    entropy_explosion,
    grad_norm_spike,
    held_out_drop,
    length_collapse,
    mismatch,
    no_signal,
    reward_hacking,
    strict_lenient_gap,
    truncation,
)
from grpo.track.alarms.alarm import Alarm

ALARMS: dict[str, Alarm] = {
    "entropy_collapse": entropy_collapse.ALARM,
    "entropy_explosion": entropy_explosion.ALARM,
    "length_collapse": length_collapse.ALARM,
    "all_zero": all_zero.ALARM,
    "no_signal": no_signal.ALARM,
    "reward_hacking": reward_hacking.ALARM,
    "held_out_drop": held_out_drop.ALARM,
    "strict_lenient_gap": strict_lenient_gap.ALARM,
    "mismatch": mismatch.ALARM,
    "truncation": truncation.ALARM,
    "grad_norm_spike": grad_norm_spike.ALARM,
}
"""Name, as in `alarms.stop` and `alarm/<name>`, to the alarm."""
