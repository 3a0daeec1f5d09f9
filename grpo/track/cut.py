"""On resume: takes back what a run wrote after the checkpoint it goes on from."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

METRICS_FILE = "metrics.jsonl"
ROLLOUTS_FOLDER = "rollouts"
_ROLLOUT_NAME = re.compile(r"step_(\d+)\.jsonl(\.tmp)?")


@dataclass(frozen=True, slots=True)
class Cut:
    """What was taken back."""

    metric_lines: int
    """Lines past the checkpoint."""
    torn_lines: int
    """Lines that are not whole JSON objects with a step: a write that a kill cut short."""
    rollout_files: int


def rollout_name(step: int) -> str:
    """File name of a step's rollouts; sorts by step."""
    return f"step_{step:06d}.jsonl"


def rollout_step(name: str) -> int | None:
    """Step of a rollout file's name; None for other files and for unfinished ones (`.tmp`)."""
    match = _ROLLOUT_NAME.fullmatch(name)
    return int(match.group(1)) if match and not match.group(2) else None


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a kill at any moment leaves the old file or the new one."""
    waiting = path.with_name(path.name + ".tmp")
    with waiting.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    waiting.replace(path)


def cut_after(folder: Path, step: int) -> Cut:
    """Cut `metrics.jsonl` and `rollouts/` of a run folder back to `step` (0: all of it)."""
    if step < 0:
        raise ValueError(f"resume step is {step}; it must be 0 or more")
    past, torn = _cut_metrics(folder / METRICS_FILE, step)
    return Cut(past, torn, _cut_rollouts(folder / ROLLOUTS_FOLDER, step))


def _cut_metrics(path: Path, step: int) -> tuple[int, int]:
    if not path.exists():
        return 0, 0
    kept: list[bytes] = []
    past = torn = 0
    for line in path.read_bytes().splitlines(keepends=True):
        found = _line_step(line)
        if found is None:
            torn += 1
        elif found > step:
            past += 1
        else:
            kept.append(line)
    if past or torn:
        write_whole(path, b"".join(kept))
    return past, torn


def _line_step(line: bytes) -> int | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    step = row.get("step") if isinstance(row, dict) else None
    return step if isinstance(step, int) else None


def _cut_rollouts(folder: Path, step: int) -> int:
    if not folder.is_dir():
        return 0
    removed = 0
    for path in sorted(folder.iterdir()):
        match = _ROLLOUT_NAME.fullmatch(path.name)
        if match and (match.group(2) or int(match.group(1)) > step):
            path.unlink()
            removed += 1
    return removed
