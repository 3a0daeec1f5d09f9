"""All runs below a run root: the project. What they used, finished or not, each counted once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from grpo.cost.from_metrics import lines_from_metrics, start_line
from grpo.cost.ledger import LEDGER_FILE, Tally, read_lines
from grpo.cost.usage import Usage, total, usage_from
from grpo.run.folder import RUN_FILE, RunFolder
from grpo.run.lock import RunLockedError, require_unlocked
from grpo.track.cut import METRICS_FILE
from grpo.track.loose import mapping, number, text

DEEPEST = 3
"""Folders below the root that may lie between it and a run; run folders themselves are not searched."""
ENDED = ("finished", "failed", "interrupted", "stopped")
"""A summary with one of these was written when its process ended, and is complete."""
STATUSES = (*ENDED, "killed", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One run of the project."""

    folder: Path
    status: str
    """One of STATUSES."""
    usage: Usage
    currency: str
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The runs below a root but one."""

    runs: tuple[PastRun, ...] = ()
    unreadable: int = 0
    """Folders that say they are runs and hold nothing that could be counted."""

    def loaded(self, final: Usage, status: str, currency: str) -> dict[str, Any]:
        """`cost.loaded` of the summary: `final` (of a run with `status`) and all other runs together."""
        usages = [final, *(in_currency(run, currency) for run in self.runs)]
        statuses = [status, *(run.status for run in self.runs)]
        everything = total(usages)
        hours = dict.fromkeys(STATUSES, 0.0)
        for name, usage in zip(statuses, usages, strict=True):
            hours[name] += usage.device_hours
        return {
            **everything.entry(),
            "amount": None if final.amount is None else total(u for u in usages if u.amount is not None).amount,
            "unpriced_device_hours": sum(usage.device_hours for usage in usages if usage.amount is None),
            "runs": len(usages),
            **{name: statuses.count(name) for name in STATUSES},
            "unreadable": self.unreadable,
            "device_hours_by_status": hours,
        }


def read_project(root: Path, own: Path | None = None) -> Project:
    """Every run below `root` but `own`; linear in what the runs have logged. Foreign files are passed over."""
    seen = set() if own is None else {_identity(own)}
    runs, unreadable = [], 0
    for folder in run_folders(root, DEEPEST):
        identity = _identity(folder)
        if identity in seen:  # a copy of a run, or this very run
            continue
        seen.add(identity)
        run = read_past(folder)
        if run is None:
            unreadable += 1
        else:
            runs.append(run)
    return Project(runs=tuple(runs), unreadable=unreadable)


def run_folders(root: Path, depth: int) -> Iterator[Path]:
    """Folders with a `run.json`, in order of their names; links are not followed, hidden folders not entered."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
            continue
        path = Path(entry.path)
        if (path / RUN_FILE).is_file():
            yield path
        elif depth > 0:
            yield from run_folders(path, depth - 1)


def read_past(folder: Path) -> PastRun | None:
    """A run by its summary if that is complete, else by its ledger, else by what it logged; None: none of these."""
    summary = _read_json(RunFolder(folder).summary_file)
    status = text(summary.get("status"))
    cost = mapping(summary.get("cost"))
    if status not in ENDED:
        status = "running" if _is_held(folder) else "killed"
    usage, currency = usage_from(mapping(cost.get("final"))), text(cost.get("currency"))
    if usage is None or status not in ENDED:
        tally = Tally().add_all(read_lines(folder / LEDGER_FILE))
        tally = tally if tally.lines else _without_ledger(folder, summary)
        usage, currency = tally.used, tally.currency
        if not tally.lines and not (folder / METRICS_FILE).exists() and not summary:
            return None
    return PastRun(folder=folder, status=status, usage=usage, currency=currency, summary=summary)


def in_currency(run: PastRun, currency: str) -> Usage:
    """What a run used; its money does not count where it is in another currency."""
    if run.currency == currency or run.usage.device_hours == 0:
        return run.usage
    entry = run.usage.entry() | {"amount": None}
    return usage_from(entry) or Usage()


def _without_ledger(folder: Path, summary: Mapping[str, Any]) -> Tally:
    """Finished stages by the summary, the others by their metrics; devices as the summary has them, else one."""
    cost = mapping(summary.get("cost"))
    stages = {name: mapping(entry) for name, entry in mapping(summary.get("stages")).items()}
    wall = sum(number(entry.get("wall_seconds")) or 0.0 for entry in stages.values())
    devices = round((number(cost.get("device_hours")) or 0.0) * 3600 / wall) if wall else 1
    priced = mapping(_read_yaml(RunFolder(folder).config_file).get("cost"))
    price, currency = number(priced.get("price_per_device_hour")) or 0.0, text(priced.get("currency"))
    tally = Tally()
    tally.add(start_line(max(1, devices), price, currency))
    for name, entry in stages.items():
        tally.add({**entry, "event": "work", "stage": name, "seconds": entry.get("wall_seconds"), "part": "stage"})
    return tally.add_all(line for line in lines_from_metrics(folder) if line["stage"] not in stages)


def _identity(folder: Path) -> object:
    """Equal for a run and its copies."""
    facts = _read_json(folder / RUN_FILE)
    known = tuple(text(facts.get(key)) for key in ("config_hash", "created", "host", "pid"))
    return known if known[1] else str(folder.resolve())


def _is_held(folder: Path) -> bool:
    try:
        require_unlocked(folder)
    except RunLockedError:
        return True
    except OSError:
        return False
    return False


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        return mapping(json.loads(path.read_text(encoding="utf-8", errors="replace")))
    except (OSError, ValueError, RecursionError):
        return {}


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        return mapping(yaml.safe_load(path.read_text(encoding="utf-8", errors="replace")))
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
