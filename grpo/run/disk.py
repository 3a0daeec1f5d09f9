"""Free space is checked before a large write, so that a full disk is an error at the border and not halfway."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path


class DiskSpaceError(OSError):
    """The file system cannot take what is about to be written; `errno` is ENOSPC."""


def free_bytes(path: Path) -> int:
    """Bytes an ordinary user may still write where `path` is, or will be once its parents exist."""
    existing = path.absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free


def require_free_bytes(path: Path, needed: int) -> None:
    """Check that `needed` bytes fit beside `path`.

    Raises:
        DiskSpaceError: fewer bytes are free; names the path and both numbers.
    """
    free = free_bytes(path)
    if free < needed:
        raise DiskSpaceError(
            errno.ENOSPC, f"{path} needs {needed} bytes and {free} are free; delete old runs or move run_root"
        )
