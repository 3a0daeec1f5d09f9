"""Files and folders that exist whole or not at all, whenever the process or the machine stops.

A folder is filled under `.tmp_<name>` beside its place, flushed to disk, and renamed once. When it replaces
a folder, the old one waits as `.old_<name>` until the new one is durable. `recover` tidies up after a kill.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PARTIAL = ".tmp_"
REPLACED = ".old_"


def json_bytes(value: Any, what: str) -> bytes:
    """Canonical JSON: sorted keys, ASCII, one trailing newline.

    Raises:
        ValueError: reading it back would not give `value` again (tuples, non-string keys, NaN, other types).
    """
    try:
        text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} does not fit JSON: {error}") from error
    if json.loads(text) != value:
        raise ValueError(
            f"{what} does not survive JSON unchanged; valid are str, int, finite float, bool, None, "
            f"lists, and dicts with str keys; got {value!r:.200}"
        )
    return text.encode("ascii") + b"\n"


def flush_to_disk(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write and flush a file in place; for files inside a folder that is not visible yet."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically: a reader, or a run after a kill, sees the old content or the new one.

    Raises:
        ValueError: the value does not survive JSON unchanged.
    """
    data = json_bytes(value, str(path))
    partial = path.with_name(PARTIAL + path.name)
    try:
        write_bytes(partial, data)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    flush_to_disk(path.parent)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`; when the block ends well it becomes `target`, else it is removed.

    The caller flushes the files it writes. An existing `target` is replaced only once the new one is complete.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(PARTIAL + target.name)
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir()
    try:
        yield partial
        flush_to_disk(partial)
        _move_into_place(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def recover(root: Path) -> list[str]:
    """Undo what killed writes left anywhere below `root`; returns one line per thing done.

    Must be called by the owner of the run's lock only. Folders behind symbolic links are not entered.
    """
    done: list[str] = []
    for parent, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(parent, name)
            if name.startswith(PARTIAL):
                _remove(path)
                done.append(f"removed {path}, left by a write that did not finish")
            elif name.startswith(REPLACED):
                done.append(_restore(path))
        folders[:] = [name for name in folders if not name.startswith((PARTIAL, REPLACED))]
    return done


def _move_into_place(partial: Path, target: Path) -> None:
    replaced = target.with_name(REPLACED + target.name)
    if target.exists():
        if replaced.exists():
            shutil.rmtree(replaced)
        target.rename(replaced)
    try:
        partial.rename(target)
    except BaseException:
        if replaced.exists() and not target.exists():
            replaced.rename(target)
        raise
    flush_to_disk(target.parent)
    if replaced.exists():
        shutil.rmtree(replaced)


def _restore(replaced: Path) -> str:
    target = replaced.with_name(replaced.name.removeprefix(REPLACED))
    if target.exists():
        _remove(replaced)
        return f"removed {replaced}, already replaced by {target}"
    replaced.rename(target)
    return f"restored {target}: the write that was to replace it did not finish"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
