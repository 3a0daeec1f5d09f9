"""Files of finished work: a start of the same benchmark takes up where the last one ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.record import facts, write


def finished(file: Path, request: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was found for this very request; None when there is nothing, or it was asked otherwise."""
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = found.get("request") == json.loads(json.dumps(request))
    return found if same and found.get("status") == "done" else None


def keep(file: Path, request: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """A result that a later start need not find again."""
    write({"request": request, "status": "done", **found}, file)


def keep_failure(file: Path, request: Mapping[str, Any], reason: str) -> None:
    """Shown in the table; tried again by the next start."""
    write({"request": request, "status": "failed", "reason": reason}, file)


def first_facts(work: Path, benchmark: str, seed: int) -> dict[str, Any]:
    """Machine, versions and commit as they were at the first start: later ones find the results in the way."""
    file = work / "facts.json"
    if not file.exists():
        write(facts(benchmark, seed), file)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def reason_of(file: Path) -> str:
    """Why there is no result in a file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "not run"
    return str(found.get("reason", "asked otherwise"))
