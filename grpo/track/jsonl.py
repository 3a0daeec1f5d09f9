"""`metrics.jsonl`: one JSON object per step, on disk before the next step begins."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from grpo.track.names import LINE_KEYS
from grpo.track.writer import Writer
from grpo.types import StepMetrics


def finite(value: float | None) -> float | None:
    """`value`, or None where JSON has no number for it (NaN, infinity)."""
    return value if value is not None and math.isfinite(value) else None


def json_line(row: dict[str, Any]) -> bytes:
    """One line of strict JSON in UTF-8, its newline included; raises ValueError on NaN and infinity."""
    text = json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def append_whole(descriptor: int, data: bytes) -> None:
    """Write all of `data` to a descriptor opened for appending; raises OSError when the disk is full."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


class AppendFile:
    """A file that whole lines are appended to, past every buffer of this process."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def append(self, line: bytes) -> None:
        """Raises OSError when the disk is full and ValueError after `close`."""
        if self._descriptor is None:
            raise ValueError("this file is closed")
        append_whole(self._descriptor, line)

    def close(self) -> None:
        """Flush to the disk itself; a second call does nothing."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None


class MetricsFile(Writer):
    """Appends a line a step: `step`, `stage`, `stage_step`, `wall_time`, then the metrics."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = AppendFile(path)
        self._clock = clock

    def log(self, metrics: StepMetrics) -> None:
        row: dict[str, Any] = {
            "step": metrics.step,
            "stage": metrics.stage,
            "stage_step": metrics.stage_step,
            "wall_time": round(self._clock(), 3),
        }
        row |= {name: finite(value) for name, value in metrics.values.items()}
        self._file.append(json_line(row))

    def close(self, status: str) -> None:
        self._file.close()


def read_metrics(path: Path) -> Iterator[StepMetrics]:
    """The lines of a `metrics.jsonl` that `cut_after` has left whole; what was no finite number is left out."""
    with path.open("rb") as file:
        for line in file:
            row = json.loads(line)
            values = {name: value for name, value in row.items() if name not in LINE_KEYS and value is not None}
            yield StepMetrics(step=row["step"], stage=row["stage"], stage_step=row["stage_step"], values=values)
