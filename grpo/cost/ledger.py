"""`cost.jsonl`: what a run's processes used, one line per piece of work, appended and never cut.

A line `start` opens each process: its devices, price and, on a resume, the step it goes on from. A line `work` follows
each piece: seconds since the line before (so the seconds of a process have no gaps), and the tokens and the energy of
those seconds. A step's line is written before its metrics, that of a call to the engine before what is kept of it:
whatever was logged or kept has been paid for. A kill loses at most the piece that was under way. Work with a step past
the one a later process goes on from was done again: it is *lost*, and counts like all other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpo.cost.arithmetic import device_hours, money
from grpo.cost.usage import Usage, total
from grpo.track.jsonl import AppendFile, json_line
from grpo.track.loose import number, text

LEDGER_FILE = "cost.jsonl"
STEP = "step"
"""The part of work that ends a step. `sample` is a call to the engine in a stage of one step: it has the number of that
step where a kill takes it back, and none where its completions are kept. `setup`, `load` and `save` are never lost."""


@dataclass(slots=True)
class StageUse:
    """Of one stage, over all processes."""

    kind: str = ""
    used: Usage = field(default_factory=Usage)
    lost: Usage = field(default_factory=Usage)
    """Of `used`, what was done again."""
    lost_steps: int = 0


class Tally:
    """Sums over the lines of a ledger; linear in them."""

    def __init__(self) -> None:
        self.stages: dict[str, StageUse] = {}
        """In order of first appearance; the work outside stages is under ""."""
        self.currency = ""
        self.lines = 0
        """Lines of work."""
        self._devices, self._price, self._energy_missing = 1, 0.0, ""
        self._standing: list[tuple[int, str, bool, Usage]] = []
        """Step, stage, whether it ends the step, and what it used."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one line; lines that are neither `start` nor `work` count for nothing."""
        if row.get("event") == "start":
            self._start(row)
        elif row.get("event") == "work":
            self._work(row)

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> Tally:
        """Count them all → itself."""
        for row in rows:
            self.add(row)
        return self

    @property
    def used(self) -> Usage:
        """Everything."""
        return total(stage.used for stage in self.stages.values())

    @property
    def lost(self) -> Usage:
        """Of everything, what was done again."""
        return total(stage.lost for stage in self.stages.values())

    @property
    def lost_steps(self) -> int:
        return sum(stage.lost_steps for stage in self.stages.values())

    def _start(self, row: Mapping[str, Any]) -> None:
        self._devices = max(1, int(number(row.get("devices")) or 1))
        self._price, self.currency = number(row.get("price")) or 0.0, text(row.get("currency"))
        self._energy_missing = text(row.get("energy_missing"))
        resumed = number(row.get("resume_step"))
        while resumed is not None and self._standing and self._standing[-1][0] > resumed:
            _, name, ended, usage = self._standing.pop()
            stage = self.stages[name]
            stage.lost, stage.lost_steps = stage.lost + usage, stage.lost_steps + ended

    def _work(self, row: Mapping[str, Any]) -> None:
        seconds = number(row.get("seconds"))
        if seconds is None or seconds < 0:
            return
        self.lines += 1
        usage = self._usage(row, seconds)
        name, step = text(row.get("stage")), number(row.get("step"))
        stage = self.stages.setdefault(name, StageUse())
        stage.kind = text(row.get("kind")) or stage.kind
        stage.used += usage
        if step is not None:
            self._standing.append((int(step), name, row.get("part") == STEP, usage))

    def _usage(self, row: Mapping[str, Any], seconds: float) -> Usage:
        hours, energy = device_hours(self._devices, seconds), number(row.get("energy_joules"))
        return Usage(
            wall_seconds=seconds,
            device_hours=hours,
            tokens_sampled=int(number(row.get("tokens_sampled")) or 0),
            tokens_prompted=int(number(row.get("tokens_prompted")) or 0),
            tokens_trained=int(number(row.get("tokens_trained")) or 0),
            energy_joules=energy,
            energy_missing=None if energy is not None else self._missing(row),
            amount=money(hours, self._price),
        )

    def _missing(self, row: Mapping[str, Any]) -> str:
        return text(row.get("energy_missing")) or self._energy_missing or "it was not read"


class Ledger:
    """Appends lines; each is in the file, past every buffer of this process, when `append` returns."""

    def __init__(self, folder: Path) -> None:
        path = folder / LEDGER_FILE
        self.tally = Tally().add_all(read_lines(path))
        torn = _ends_torn(path)
        self._file = AppendFile(path)
        if torn:  # a machine that went down may leave half a line; the next must not be glued to it
            self._file.append(b"\n")

    def append(self, row: dict[str, Any]) -> None:
        """Raises OSError when the disk is full."""
        self._file.append(json_line(row))
        self.tally.add(row)

    def close(self) -> None:
        self._file.close()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file of JSON objects; torn and foreign ones are passed over, a missing file has none."""
    try:
        with path.open("rb") as file:
            for line in file:
                row = _object(line)
                if row is not None:
                    yield row
    except OSError:
        return


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _ends_torn(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
