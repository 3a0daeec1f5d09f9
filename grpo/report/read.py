"""Reads a run folder as it lies there: finished, running, or killed in the middle of a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from grpo.track.cut import METRICS_FILE, ROLLOUTS_FOLDER, rollout_step
from grpo.track.loose import interval as interval
from grpo.track.loose import mapping as mapping
from grpo.track.loose import number as number
from grpo.track.loose import sequence as sequence
from grpo.track.loose import text as text
from grpo.track.names import LINE_KEYS
from grpo.track.redact import redact

CONFIG_FILE = "config.yaml"
SUMMARY_FILE = "summary.json"
_LONGEST_ROLLOUT_LINE = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """One line of `metrics.jsonl`; values that are no finite numbers are left out."""

    step: int
    stage: str
    stage_step: int
    wall_time: float | None
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSpan:
    """Steps `first` to `last` belong to one stage."""

    name: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """Everything the report is made of."""

    folder: Path
    config: Mapping[str, Any]
    """Secrets redacted."""
    summary: Mapping[str, Any]
    rows: tuple[MetricRow, ...]
    rollout_files: Mapping[int, Path]
    """Step to file, in order."""
    notes: list[str] = field(default_factory=list)
    """What is missing or torn, in words."""

    @property
    def name(self) -> str:
        """The run's name, or its folder's."""
        return text(self.summary.get("name")) or text(self.config.get("name")) or self.folder.name

    @property
    def status(self) -> str:
        """As in `summary.json`; `unknown` without one: still running, or killed."""
        return text(self.summary.get("status")) or "unknown"

    def stages(self) -> list[StageSpan]:
        """Stages in the order of their steps."""
        spans: list[StageSpan] = []
        for row in self.rows:
            first = spans.pop().first if spans and spans[-1].name == row.stage else row.step
            spans.append(StageSpan(name=row.stage, first=first, last=row.step))
        return spans

    def metric_names(self) -> list[str]:
        """Names of all metrics, in order of first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row.values))


def read_run(folder: Path) -> RunData:
    """Read a run folder; raises ValueError when it is none."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; give a run folder such as runs/<date>_<name>_<id>")
    wanted = (CONFIG_FILE, METRICS_FILE, SUMMARY_FILE)
    if not any((folder / name).is_file() for name in wanted):
        raise ValueError(f"{folder} is not a run folder: it has none of {', '.join(wanted)}")
    notes: list[str] = []
    config = mapping(redact(_read(folder / CONFIG_FILE, _load_yaml, notes)))
    summary = mapping(_read(folder / SUMMARY_FILE, json.loads, notes))
    rows = _read_metrics(folder / METRICS_FILE, notes)
    return RunData(
        folder=folder,
        config=config,
        summary=summary,
        rows=rows,
        notes=notes,
        rollout_files=_rollout_files(folder / ROLLOUTS_FOLDER),
    )


def read_groups(path: Path, limit: int) -> list[Mapping[str, Any]]:
    """At most `limit` groups of a rollout file; torn lines are passed over."""
    groups: list[Mapping[str, Any]] = []
    try:
        with path.open("rb") as file:
            while len(groups) < limit and (line := file.readline(_LONGEST_ROLLOUT_LINE)):
                row = _parse(line)
                if isinstance(row, dict):
                    groups.append(row)
    except OSError:
        return groups
    return groups


def _load_yaml(data: str) -> Any:
    try:
        return yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _read(path: Path, parse: Any, notes: list[str]) -> Any:
    try:
        return parse(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        notes.append(f"{path.name} is missing: the run is still going on, or was killed before it was written.")
    except (OSError, ValueError, RecursionError) as error:
        notes.append(f"{path.name} cannot be read ({type(error).__name__}).")
    return None


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _read_metrics(path: Path, notes: list[str]) -> tuple[MetricRow, ...]:
    if not path.is_file():
        notes.append(f"{path.name} is missing: no step has been finished.")
        return ()
    torn = 0
    rows: list[MetricRow] = []
    for line in _lines(path):
        row = _metric_row(_parse(line))
        if row is None:
            torn += 1
        else:
            rows.append(row)
    if torn:
        notes.append(f"{path.name}: {torn} unreadable line(s) left out.")
    return tuple(sorted(rows, key=lambda row: row.step))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from (line for line in file if line.strip())


def _metric_row(row: Any) -> MetricRow | None:
    if not isinstance(row, dict) or not isinstance(row.get("step"), int) or isinstance(row["step"], bool):
        return None
    values = {name: value for name, raw in row.items() if name not in LINE_KEYS and (value := number(raw)) is not None}
    return MetricRow(
        step=row["step"],
        stage=text(row.get("stage")) or "run",
        stage_step=int(number(row.get("stage_step")) or 0),
        wall_time=number(row.get("wall_time")),
        values=values,
    )


def _rollout_files(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    found = {step: path for path in folder.iterdir() if (step := rollout_step(path.name)) is not None}
    return dict(sorted(found.items()))
