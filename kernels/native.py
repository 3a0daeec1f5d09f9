"""C sources of this room, compiled once for the processor at hand and loaded with ctypes.

The compiled file lies in the user's cache folder (`$XDG_CACHE_HOME/grpo`, else `~/.cache/grpo`), named by a digest of
the source, the compiler and the processor, so that an old one is never taken for a new one.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")
LIBRARIES = ("-lm",)
COMPILE_SECONDS = 120


class NativeError(RuntimeError):
    """This machine cannot compile or run a native kernel; the message says why."""


@cache
def processor_flags() -> frozenset[str]:
    """What `/proc/cpuinfo` says the processor can do; empty where there is no such file."""
    place = Path("/proc/cpuinfo")
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


def load_native(source: Path, needs: str) -> ctypes.CDLL:
    """The library compiled from `source`, on a processor with the feature `needs`. Raises NativeError."""
    missing = what_is_missing(needs)
    if missing is not None:
        raise NativeError(missing)
    compiler = find_compiler()
    assert compiler is not None
    target = cache_folder() / f"{source.stem}_{_digest(source, compiler)}.so"
    if not target.exists():
        _compile(source, compiler, target)
    try:
        return ctypes.CDLL(str(target))
    except OSError as error:
        raise NativeError(f"{target} does not load: {error}") from error


def what_is_missing(needs: str) -> str | None:
    """Why nothing can be compiled for this processor, or None."""
    if needs not in processor_flags():
        return f"the processor has no {needs}"
    return None if find_compiler() else "no C compiler was found (gcc, cc or $CC)"


def find_compiler() -> str | None:
    """`$CC`, else gcc, else cc."""
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")


def cache_folder() -> Path:
    """The user's own folder, made private. Raises NativeError when it is somebody else's or cannot be made."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "grpo"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
    except OSError as error:
        raise NativeError(f"the cache folder {folder} cannot be used: {error}") from error
    if owner != os.getuid():
        raise NativeError(f"the cache folder {folder} belongs to another user")
    return folder


def _digest(source: Path, compiler: str) -> str:
    try:
        version = subprocess.run([compiler, "--version"], capture_output=True, timeout=COMPILE_SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NativeError(f"{compiler} could not be run: {error}") from error
    facts = (source.read_bytes(), version, repr((FLAGS, LIBRARIES, sorted(processor_flags()))).encode())
    return hashlib.sha256(b"\0".join(facts)).hexdigest()[:16]


def _compile(source: Path, compiler: str, target: Path) -> None:
    """Into a file of its own and then renamed, so that two processes may do it at once."""
    handle, partial = tempfile.mkstemp(suffix=".so", dir=target.parent)
    os.close(handle)
    command = [compiler, *FLAGS, "-o", partial, str(source), *LIBRARIES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_SECONDS)
        if done.returncode:
            raise NativeError(f"{' '.join(command)} failed: {done.stderr.strip()[-500:]}")
        os.replace(partial, target)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NativeError(f"{compiler} could not be run: {error}") from error
    finally:
        Path(partial).unlink(missing_ok=True)
