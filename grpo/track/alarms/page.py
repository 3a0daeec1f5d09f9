"""The alarms as `docs/metrics.md` shows them."""

from __future__ import annotations

from collections.abc import Iterator

from grpo.track.alarms import ALARMS
from grpo.track.alarms.watch import CLEAR_STEPS

INTRODUCTION = (
    "An alarm looks at the metrics of one stage after every step. It rings once: a line in the console and in "
    "`run.log`, a mark on the report's curves, an entry of `alarms` in `summary.json`. It is on until it has found "
    f"nothing for {CLEAR_STEPS} steps in a row, or the stage ends, and may then ring again. `alarms.off=[name,...]` "
    "silences; `alarms.stop=[name,...]` ends the run at that step with a checkpoint, status `stopped` and exit code 3. "
    "`resume=auto` then goes on, and what is still on does not stop it again. Correctness is what the first reward "
    "function says, by convention from 0 to 1."
)


def alarm_table() -> Iterator[str]:
    """Lines of Markdown: what an alarm is, and a table of all."""
    yield INTRODUCTION
    yield from ("", "| alarm | rings when | what it means | what to do | threshold from |", "|---|---|---|---|---|")
    for name, alarm in ALARMS.items():
        advice = alarm.advice[0].upper() + alarm.advice[1:] + "."
        source = alarm.source[0].upper() + alarm.source[1:] + "."
        yield f"| `{name}` | {alarm.when} | {alarm.meaning} | {advice} | {source} |"
