"""A reward with a fault a step: raises, hangs, returns None, NaN, text, one value too few, or keeps memory.

The victim is the step's first completion. Its text is kept in a file, so that a repeated call, in a worker that was
killed meanwhile, too, fails on the same text again. Environment: FAULTS_FOLDER, where victims are kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FAULTS = ("raise", "hang", "none", "nan", "text", "too_few", "leak")
KEPT: list[bytes] = []


def faulty(completions: Sequence[str], trainer_state: SimpleNamespace, **_: Any) -> list[Any]:
    """The share of digits in each text, but for the victim's."""
    step = trainer_state.global_step
    fault = FAULTS[step % len(FAULTS)]
    file = Path(os.environ["FAULTS_FOLDER"]) / f"{step:06d}_{fault}"
    if not file.exists():
        file.write_bytes(completions[0].encode("utf-8", "surrogatepass"))
    victim = file.read_bytes().decode("utf-8", "surrogatepass")
    values: list[Any] = [sum(c.isdigit() for c in text) / max(1, len(text)) for text in completions]
    if victim not in completions:
        return values
    return FAULTY_VALUES[fault](values, [text == victim for text in completions])


def fail(values: list[Any], hit: list[bool]) -> list[Any]:
    raise RuntimeError("a fault on purpose")


def hang(values: list[Any], hit: list[bool]) -> list[Any]:
    time.sleep(3600)
    return values


def leak(values: list[Any], hit: list[bool]) -> list[Any]:
    KEPT.append(bytes(1 << 20))
    return values


FAULTY_VALUES = {
    "raise": fail,
    "hang": hang,
    "none": lambda values, hit: [None if h else v for v, h in zip(values, hit, strict=True)],
    "nan": lambda values, hit: [float("nan") if h else v for v, h in zip(values, hit, strict=True)],
    "text": lambda values, hit: ["right" if h else v for v, h in zip(values, hit, strict=True)],
    "too_few": lambda values, hit: [v for v, h in zip(values, hit, strict=True) if not h],
    "leak": leak,
}
