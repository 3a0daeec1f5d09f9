"""Checkpoints that are whole or not there: `checkpoints/step_000100/` with a manifest over every byte.

Only one process of a run saves. In distributed runs that is rank 0, after the state has been gathered.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from grpo.run.atomic import PARTIAL, atomic_folder, flush_to_disk, json_bytes, write_bytes
from grpo.run.disk import require_free_bytes
from grpo.run.manifest import DamagedFolderError, check_files, read_manifest, write_manifest
from grpo.run.state import PartState, Stateful
from grpo.run.tensors import read_tensors, require_finite, stored_bytes, write_tensors

SLACK_BYTES = 64 * 1024
"""Room for file headers, the manifest and the file system's own blocks."""


class CheckpointError(RuntimeError):
    """A checkpoint could not be written; the earlier ones are intact."""


@dataclass(frozen=True)
class Checkpoint:
    """One complete, verified checkpoint."""

    path: Path
    step: int
    meta: Mapping[str, Any]
    """As given to `save_checkpoint`."""


@dataclass(frozen=True)
class Search:
    """What `newest_checkpoint` found."""

    newest: Checkpoint | None
    rejected: tuple[str, ...] = field(default=())
    """Why each newer folder was passed over, newest first."""


def save_checkpoint(
    checkpoints: Path, step: int, parts: Mapping[str, Stateful], meta: Mapping[str, Any], *, keep: int = 2
) -> Path:
    """Save every part as `checkpoints/step_<step>/`, then remove all but the `keep` newest.

    Nothing older is touched before the new checkpoint is complete on disk. Checkpoints of later steps are then
    removed too: they belong to a course of the run that was left when it resumed from an earlier one.

    Args:
        checkpoints: folder of the checkpoints; made when missing.
        step: counts from 0 over the whole run.
        parts: a `StateRegistry`, or any mapping of valid part names.
        meta: plain JSON values, such as the stage and its cursor; returned by `read_checkpoint`.
        keep: how many stay, the new one included; at least 1.

    Raises:
        ValueError: a value is not finite (names part and tensor) or not JSON, or `step` or `keep` is out of range.
        DiskSpaceError: it would not fit; nothing was written.
        CheckpointError: writing failed half-way; the earlier checkpoints are intact and found by `newest_checkpoint`.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step must be at least 0 and keep at least 1, got step={step}, keep={keep}")
    target = checkpoints / f"step_{step:06d}"
    states = {name: part.state() for name, part in parts.items()}
    values = {name: json_bytes(dict(state.values), f"part {name!r}") for name, state in states.items()}
    facts = {"step": step, "parts": sorted(states), "meta": dict(meta)}
    needed = SLACK_BYTES + len(json_bytes(facts, "meta")) + sum(map(len, values.values()))
    for name, state in states.items():
        require_finite(state.tensors, f"part {name!r}")
        needed += stored_bytes(state.tensors)
    require_free_bytes(target, needed)
    try:
        with atomic_folder(target) as folder:
            _write_parts(folder, states, values, facts)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{target} ({needed} bytes) could not be written: {error}") from error
    _prune(checkpoints, step, keep)
    return target


def read_checkpoint(path: Path) -> Checkpoint:
    """Verify one checkpoint, every byte of it, and return its step and meta without loading the parts.

    Raises:
        DamagedFolderError: it is incomplete or changed; the message says what is wrong.
    """
    manifest = read_manifest(path)
    facts = manifest["facts"]
    if _step_of(path) is None or _step_of(path) != facts.get("step"):
        raise DamagedFolderError(f"{path} holds the manifest of step {facts.get('step')}")
    check_files(path, manifest, nothing_else=True)
    return Checkpoint(path, facts["step"], facts["meta"])


def load_checkpoint(path: Path, parts: Mapping[str, Stateful]) -> Checkpoint:
    """Verify a checkpoint, hand each part its state, and return its step and meta.

    Parts are touched only after everything was read.

    Raises:
        DamagedFolderError: the checkpoint is incomplete or changed.
        ValueError: it holds other parts than `parts`, or a part refuses its state.
    """
    checkpoint = read_checkpoint(path)
    saved = read_manifest(path)["facts"]["parts"]
    if sorted(parts) != saved:
        raise ValueError(f"{path} holds the parts {saved}, this run has {sorted(parts)}")
    states = {name: _read_part(path, name) for name in saved}
    for name, part in parts.items():
        part.load_state(states[name])
    return checkpoint


def newest_checkpoint(checkpoints: Path) -> Search:
    """The newest checkpoint that verifies, and why each newer one does not. Changes nothing."""
    rejected: list[str] = []
    for _, path in sorted(_folders(checkpoints), reverse=True):
        try:
            return Search(read_checkpoint(path), tuple(rejected))
        except (DamagedFolderError, OSError) as error:
            rejected.append(f"{path.name} is damaged: {error}")
    return Search(None, tuple(rejected))


def _write_parts(
    folder: Path, states: Mapping[str, PartState], values: Mapping[str, bytes], facts: Mapping[str, Any]
) -> None:
    names: list[str] = []
    for name, state in states.items():
        if state.tensors:
            names.append(f"{name}.safetensors")
            write_tensors(folder / names[-1], state.tensors)
        names.append(f"{name}.json")
        write_bytes(folder / names[-1], values[name])
    write_manifest(folder, names, facts)


def _read_part(path: Path, name: str) -> PartState:
    tensors = path / f"{name}.safetensors"
    return PartState(
        tensors=read_tensors(tensors) if tensors.exists() else {},
        values=json.loads((path / f"{name}.json").read_bytes()),
    )


def _prune(checkpoints: Path, newest: int, keep: int) -> None:
    folders = sorted(_folders(checkpoints), reverse=True)
    kept = [step for step, _ in folders if step <= newest][:keep]
    for step, path in folders:
        if step not in kept:
            # Out of sight first, so that a kill half-way through leaves a leftover and no damaged checkpoint.
            doomed = path.with_name(PARTIAL + path.name)
            shutil.rmtree(doomed, ignore_errors=True)
            path.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)  # a failed delete is no reason to end a run
    flush_to_disk(checkpoints)


def _folders(checkpoints: Path) -> list[tuple[int, Path]]:
    paths = checkpoints.iterdir() if checkpoints.is_dir() else ()
    return [(step, path) for path in paths if (step := _step_of(path)) is not None]


def _step_of(path: Path) -> int | None:
    match = re.fullmatch(r"step_(\d{6,})", path.name)
    return int(match.group(1)) if match else None
