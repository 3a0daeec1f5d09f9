"""Peak memory of a piece of work, and the child processes it is measured in.

On a CPU: resident set size, with the kernel's high-water mark put back before the work. On a GPU: torch's allocator.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import torch

from grpo.run.memory import release_freed

ROOT = Path(__file__).resolve().parents[1]
MEASURED_WITH = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc gives freed blocks back at once, in every child alike: a peak then is what was alive, not what was kept."""
SAMPLE_SECONDS = 0.002
ON_DEVICE = "cuda allocator"


class Peak:
    """`start`, work, `stop`: how far memory rose. Bytes of the device where there is one, else of this process."""

    def __init__(self) -> None:
        self.method = ON_DEVICE if torch.cuda.is_available() else "VmHWM"
        self.base = 0
        self._highest = 0
        self._done = threading.Event()
        self._sampler: threading.Thread | None = None

    def start(self) -> int:
        """Free what can be freed, put the mark back, and give the base."""
        settle()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        elif not _reset_high_water_mark():
            self.method = f"statm every {SAMPLE_SECONDS:g} s"
            self._highest = 0
            self._done.clear()
            self._sampler = threading.Thread(target=self._sample, daemon=True)
            self._sampler.start()
        self.base = now()
        return self.base

    def stop(self) -> int:
        """Bytes by which the peak since `start` lies above the base."""
        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated() - self.base
        if self._sampler is not None:
            self._done.set()
            self._sampler.join()
            self._sampler = None
            return max(self._highest, now()) - self.base
        return max(0, _status("VmHWM") - self.base)

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self._highest = max(self._highest, now())


def now() -> int:
    """Bytes in use."""
    return torch.cuda.memory_allocated() if torch.cuda.is_available() else _status("VmRSS")


def settle() -> None:
    """Collect garbage and let the allocators give back what nobody uses."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    release_freed()


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {name}")


def _reset_high_water_mark() -> bool:
    """Whether the kernel allows it. Without it the mark may be the parent's: it is handed on through fork and exec."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return False
    return _status("VmHWM") <= _status("VmRSS") + 2**20


def in_child(module: str, request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What `python -m module` answers to a request (JSON as its argument, JSON as its last line).

    Raises RuntimeError with the end of its errors when it fails, or when it takes longer than `seconds`.
    """
    command = [sys.executable, "-m", module, json.dumps(request)]
    environment = os.environ | MEASURED_WITH
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{module} took longer than {seconds:g} s") from error
    if done.returncode != 0:
        raise RuntimeError(f"{module} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
