"""`python -m tests.run.dying STAGE MOMENT SIGNAL ARGUMENTS…`: grpo, which gets a signal inside a stage's work.

Moments: `step_3` (the metrics of the stage's step 3 are on disk, its checkpoint is not), `greedy` (an evaluation has
its samples and not yet its greedy answers), `call_2` (the second call of a data set was answered and scored, its file
is not there), `save` (the stage's model is written and not yet in its place).

SIGKILL goes to the process alone: its workers must notice. Other signals go to its group, as Ctrl-C does.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from grpo.__main__ import main


def strike(owner: Any, name: str, number: signal.Signals, due: Callable[..., bool], *, before: bool = False) -> None:
    """Send the signal once, before or after the first call of `owner.name` whose arguments are `due`."""
    whole = getattr(owner, name)
    sent = False

    def send(*arguments: Any) -> None:
        nonlocal sent
        if not sent and due(*arguments):
            sent = True
            if number is signal.SIGKILL:
                os.kill(os.getpid(), number)
            os.killpg(0, number)

    @wraps(whole)
    def struck(*arguments: Any) -> Any:
        if before:
            send(*arguments)
        result = whole(*arguments)
        if not before:
            send(*arguments)
        return result

    setattr(owner, name, struck)


def arrange(stage: str, moment: str, number: signal.Signals) -> None:
    """Make the moment deadly."""
    from grpo.run import atomic
    from grpo.stages.evaluate import Evaluator
    from grpo.stages.traces.collect import Collector
    from grpo.track.tracker import Tracker

    kind, _, count = moment.partition("_")
    if kind == "step":
        strike(Tracker, "log", number, lambda _, line: (line.stage, line.stage_step) == (stage, int(count)))
    elif kind == "greedy":
        strike(Evaluator, "evaluate", number, lambda it, mode: (it.name, mode) == (stage, "greedy"), before=True)
    elif kind == "call":
        strike(Collector, "_call", number, lambda it, *_: it.folder.parent.name == stage and nth(it.folder, int(count)))
    elif kind == "save":
        strike(atomic, "_move_into_place", number, lambda _, target: target == model_of(stage, target), before=True)
    else:
        raise ValueError(f"moment {moment!r}: valid are step_N, greedy, call_N, save")


def nth(samples: Path, count: int) -> bool:
    """Whether call `count` was made last: one file fewer is there."""
    return len(list(samples.iterdir())) == count - 1


def model_of(stage: str, target: Path) -> Path:
    """The folder of the model that a stage writes, in the run that writes to `target`."""
    run = next(path for path in target.parents if (path / "run.json").exists())
    return run / "model" if stage == "export" else run / "stages" / stage / "model"


if __name__ == "__main__":
    arrange(sys.argv[1], sys.argv[2], signal.Signals[sys.argv[3]])
    sys.exit(main(sys.argv[4:]))
