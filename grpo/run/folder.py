"""Where a run keeps its files, and which folder a start gets: a new one, or the one it resumes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grpo.run.atomic import recover, write_json
from grpo.run.lock import RunLock, require_unlocked

RUN_FILE = "run.json"
NOT_HASHED = frozenset({"resume", "logger", "dry_run", "run_root", "alarms"})
"""Top-level config keys that change neither what is trained nor what the run is called."""


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run's folder. None of them need exist yet."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved config."""
        return self.path / "config.yaml"

    @property
    def metrics_file(self) -> Path:
        """One JSON line a step."""
        return self.path / "metrics.jsonl"

    @property
    def rollouts(self) -> Path:
        """Folder of `step_000010.jsonl` files."""
        return self.path / "rollouts"

    @property
    def checkpoints(self) -> Path:
        """Folder of `step_000100/` folders."""
        return self.path / "checkpoints"

    @property
    def stages(self) -> Path:
        """Folder of one folder per stage."""
        return self.path / "stages"

    @property
    def model(self) -> Path:
        """The final model, Hugging Face format."""
        return self.path / "model"

    @property
    def summary_file(self) -> Path:
        return self.path / "summary.json"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    @property
    def log_file(self) -> Path:
        return self.path / "run.log"

    @property
    def run_file(self) -> Path:
        """Config hash, creation time and creator, written once."""
        return self.path / RUN_FILE

    def stage(self, name: str) -> Path:
        """The folder of one stage.

        Raises:
            ValueError: the name would leave the folder.
        """
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"stage name {name!r} is not valid: letters, digits, '_', '-' and '.', no leading '.'")
        return self.stages / name

    def data_set(self, name: str) -> Path:
        """The data set of a stage that writes one."""
        return self.stage(name) / "dataset.parquet"


@dataclass(frozen=True)
class OpenRun:
    """A run folder this process owns until `lock.release()` or its end."""

    folder: RunFolder
    lock: RunLock
    resumed: bool
    recovered: tuple[str, ...] = ()
    """What a killed predecessor had left half done and was tidied up, one line each."""


def config_hash(resolved: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the resolved config as canonical JSON, without `NOT_HASHED`."""
    kept = {key: value for key, value in resolved.items() if key not in NOT_HASHED}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def open_run(root: Path, name: str, config_hash: str, resume: str) -> OpenRun:
    """The run folder for this start, locked; leftovers of a killed predecessor are tidied up.

    Args:
        root: folder that holds run folders.
        name: goes into a new folder's name.
        config_hash: as `config_hash` gives it.
        resume: `never`, `auto`, or a run folder.

    Raises:
        RunLockedError: the run to resume is in use.
        ValueError: the named run folder is none, is finished, or was started with another config.
    """
    folder: RunFolder | None = None
    if resume == "auto":
        folder = find_resumable(root, config_hash)
    elif resume != "never":
        folder = _named_run(Path(resume), config_hash)
    if folder is None:
        made, lock = new_run_folder(root, name, config_hash)
        return OpenRun(made, lock, resumed=False)
    lock = RunLock(folder.path)
    if is_finished(folder):  # it ended between the search and the lock
        lock.release()
        raise ValueError(f"{folder.path} has finished meanwhile; start again")
    return OpenRun(folder, lock, resumed=True, recovered=tuple(recover(folder.path)))


def new_run_folder(root: Path, name: str, config_hash: str) -> tuple[RunFolder, RunLock]:
    """Make `<root>/<date>_<time>_<name>_<id>/` and lock it.

    `run.json` is written last, under the lock: no search ever meets a new run that is not locked.
    """
    root.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-.")[:60] or "run"
    while True:
        path = root / f"{datetime.now():%Y-%m-%d_%H%M%S}_{slug}_{secrets.token_hex(3)}"
        try:
            path.mkdir()
            break
        except FileExistsError:
            continue
    lock = RunLock(path)
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    facts = {"config_hash": config_hash, "created": created, "host": socket.gethostname(), "pid": os.getpid()}
    write_json(path / RUN_FILE, facts)
    return RunFolder(path), lock


def find_resumable(root: Path, config_hash: str) -> RunFolder | None:
    """The newest unfinished run under `root` with this config hash.

    Raises:
        RunLockedError: that run is in use by a living process.
    """
    found: list[tuple[str, RunFolder]] = []
    for path in root.iterdir() if root.is_dir() else ():
        facts = _read_json(path / RUN_FILE)
        if facts.get("config_hash") == config_hash and not is_finished(RunFolder(path)):
            found.append((str(facts.get("created", "")), RunFolder(path)))
    if not found:
        return None
    _, newest = max(found, key=lambda pair: (pair[0], pair[1].path.name))
    require_unlocked(newest.path)
    return newest


def is_finished(folder: RunFolder) -> bool:
    """Whether the run's summary says so; no summary, or a damaged one, means it has not."""
    return _read_json(folder.summary_file).get("status") == "finished"


def _named_run(path: Path, config_hash: str) -> RunFolder:
    folder = RunFolder(path)
    facts = _read_json(folder.run_file)
    if not facts:
        raise ValueError(f"resume={path} is no run folder (no readable {RUN_FILE}); valid: never, auto, a run folder")
    if is_finished(folder):
        raise ValueError(f"resume={path} is a finished run; to train its model further set model.name={folder.model}")
    if facts.get("config_hash") != config_hash:
        raise ValueError(
            f"resume={path} was started with another config (hash {str(facts.get('config_hash'))[:12]}, now "
            f"{config_hash[:12]}); compare with {folder.config_file}, or start a new run"
        )
    return folder


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
