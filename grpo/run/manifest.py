"""A folder's list of files with size and SHA-256.

safetensors notices truncation but accepts flipped bits in tensor data, and a folder can hold whole files of two
different saves: only a manifest over all files, written last, tells a complete folder from a damaged one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from grpo.run.atomic import json_bytes, write_bytes

MANIFEST = "manifest.json"


class DamagedFolderError(ValueError):
    """A folder is not what its manifest says; the message names the file and what is wrong with it."""


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, names: Iterable[str], facts: Mapping[str, Any]) -> None:
    """Describe the named files of `folder`, and `facts`, in `manifest.json`, flushed to disk.

    Raises:
        ValueError: `facts` does not survive JSON unchanged.
    """
    files = {name: {"sha256": sha256_of(folder / name), "size": (folder / name).stat().st_size} for name in names}
    body = {"files": files, "facts": dict(facts)}
    write_bytes(folder / MANIFEST, json_bytes(body | {"digest": _digest(body)}, "facts of the manifest"))


def read_manifest(folder: Path) -> dict[str, Any]:
    """`{"files": {name: {"sha256", "size"}}, "facts": {...}}`, proven to be exactly as it was written.

    Raises:
        DamagedFolderError: it is missing, or not one byte-identical manifest.
    """
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DamagedFolderError(f"{path} cannot be read ({error.strerror}): the save never finished") from error
    try:
        manifest = json.loads(raw)
        digest = manifest.pop("digest")
        if digest != _digest(manifest) or raw != json_bytes(manifest | {"digest": digest}, MANIFEST):
            raise DamagedFolderError(f"{path} was changed after it was written")
        return {"files": dict(manifest["files"]), "facts": dict(manifest["facts"])}
    except DamagedFolderError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedFolderError(f"{path} is not a manifest: {error!r:.200}") from error


def check_files(folder: Path, manifest: Mapping[str, Any], *, nothing_else: bool) -> None:
    """Check that every listed file is there and unchanged; with `nothing_else`, that there is no other.

    Raises:
        DamagedFolderError: at the first file that differs.
    """
    present = {path.name for path in folder.iterdir()} - {MANIFEST}
    surplus = sorted(present - set(manifest["files"]))
    if nothing_else and surplus:
        raise DamagedFolderError(f"{folder / surplus[0]} is not in the manifest")
    for name, expected in manifest["files"].items():
        path = folder / name
        if name not in present:
            raise DamagedFolderError(f"{path} is missing")
        if path.is_symlink() or not path.is_file():
            raise DamagedFolderError(f"{path} is not a regular file")
        size = path.stat().st_size
        if size != expected["size"]:
            raise DamagedFolderError(f"{path} has {size} bytes instead of {expected['size']}")
        if sha256_of(path) != expected["sha256"]:
            raise DamagedFolderError(f"{path} does not have the SHA-256 of the manifest")


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
