"""What every result file says beside its figures: where, with what, and from which commit they were measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from grpo.doctor import installed
from grpo.run.commit import git_commit

RESULTS = Path(__file__).resolve().parent / "results"
PEERS = ("trl", "liger-kernel", "cut-cross-entropy", "accelerate", "numpy")
ALLOCATOR = ("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "PYTORCH_CUDA_ALLOC_CONF")


def facts(benchmark: str, seed: int, commit: str | None = None) -> dict[str, Any]:
    """The head of a result file. `commit` is for machines that hold a copy without its history."""
    return {
        "benchmark": benchmark,
        "machine": machine(),
        "versions": versions(),
        "commit": commit or git_commit(),
        "seed": seed,
    }


def machine() -> dict[str, Any]:
    """Device, processor, threads, memory, and what of the environment changes memory."""
    cuda = torch.cuda.is_available()
    return {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "device_bytes": torch.cuda.get_device_properties(0).total_memory if cuda else None,
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "huge_pages": _first_line("/sys/kernel/mm/transparent_hugepage/enabled"),
        "load_before": os.getloadavg()[0],
        "allocator": {name: os.environ[name] for name in ALLOCATOR if name in os.environ},
        "tf32": torch.backends.cuda.matmul.allow_tf32 if cuda else None,
    }


def processor() -> str:
    """Vendor's name with family and model: cloud machines give no more in the name."""
    wanted = ("model name", "cpu family", "model")
    found: dict[str, str] = {}
    for line in _text("/proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    if not all(key in found for key in wanted):
        return platform.processor() or platform.machine()
    flags = found.get("flags", "").split()
    units = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{found['model name']} (family {found['cpu family']}, model {found['model']}; {' '.join(units)})"


def versions() -> dict[str, str]:
    """Of Python, of everything the doctor looks at, and of the peers."""
    found = {"python": platform.python_version()} | installed()
    for name in PEERS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def write(record: Mapping[str, Any], path: Path) -> None:
    """Whole or not at all, so that a file written after each section survives a crash in the next."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".partial")
    aside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)


def _first_line(path: str) -> str | None:
    return _text(path).partition("\n")[0] or None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
