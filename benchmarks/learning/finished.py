"""Files of finished work: a start of the same benchmark takes up where the last one ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.record import facts, write
from grpo.run.commit import git_commit


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
    commit = (git_commit() or "").removesuffix("-dirty")
    write({"request": request, "status": "done", "commit": commit, **found}, file)


def keep_failure(file: Path, request: Mapping[str, Any], reason: str) -> None:
    """Shown in the table; tried again by the next start."""
    write({"request": request, "status": "failed", "reason": reason}, file)


def standing_facts(work: Path, benchmark: str, seed: int) -> dict[str, Any]:
    """Machine, versions and commit of the last start on a clean tree.

    A later start finds the first one's results in the tree, which then differs from the commit for them alone. Which
    commits the results are of stands in their files and in the record's `commits`.
    """
    file, now = work / "facts.json", facts(benchmark, seed)
    if not file.exists() or not str(now["commit"]).endswith("-dirty"):
        write(now, file)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def reason_of(file: Path) -> str:
    """Why there is no result in a file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "not run"
    return str(found.get("reason", "asked otherwise"))
