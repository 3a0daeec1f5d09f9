"""Peak memory of this process, kept apart by stage and by what the stage was doing.

On a GPU it is what PyTorch has allocated there, else the process's resident memory. Linux lets a process lower its
high-water mark to what is resident now (`/proc/self/clear_refs`, proc(5)); where that is refused a peak is the highest
so far.
"""

from __future__ import annotations

import ctypes
import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What the kernel wants to read to reset the high-water mark."""
LIBC = "libc.so.6"
BETWEEN = "between"
"""Whatever is inside no phase: reading data, logging."""


class PeakGauge:
    """Peaks by (stage, phase), in bytes; time is cut into phases that follow each other."""

    def __init__(self) -> None:
        self.base = 0
        """In use when the run began: interpreter and libraries."""
        self.peaks: dict[tuple[str, str], int] = {}
        self._place = ("", BETWEEN)

    def start(self) -> None:
        """Begin: what is in use now is the base."""
        release_freed()
        self.peaks, self._place = {}, ("", BETWEEN)
        reset_peak()
        self.base = peak_bytes()

    def stage(self, name: str, phase: str) -> None:
        """A stage begins with a phase; what the one before has left behind is released first."""
        self._close(("", BETWEEN))
        release_freed()
        self._close((name, phase))

    def enter(self, phase: str) -> str:
        """The stage goes on with another phase → the one that ends."""
        before = self._place[1]
        self._close((self._place[0], phase))
        return before

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A phase inside another, which then goes on."""
        before = self.enter(name)
        try:
            yield
        finally:
            self.enter(before)

    def peak_of(self, stage: str) -> int:
        """Highest of a stage so far; 0 for one that has not begun."""
        self._close(self._place)
        return max((peak for (name, _), peak in self.peaks.items() if name == stage), default=0)

    def phases_of(self, stage: str) -> dict[str, int]:
        """Peaks of a stage by phase."""
        self._close(self._place)
        return {phase: peak for (name, phase), peak in self.peaks.items() if name == stage}

    def _close(self, following: tuple[str, str]) -> None:
        self.peaks[self._place] = max(self.peaks.get(self._place, 0), peak_bytes())
        self._place = following
        reset_peak()


GAUGE = PeakGauge()
"""Of this process: its high-water mark is one, too."""


def peak_bytes() -> int:
    """Highest since the last reset."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    with suppress(OSError):
        for line in STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak() -> None:
    """Lower the mark to what is in use now, where the system allows it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):
        CLEAR.write_text(RESET_PEAK, encoding="ascii")


def release_freed() -> None:
    """Free what only cycles hold (a model whose layers are wrapped) and give freed pages back to the system."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(LIBC).malloc_trim(0)
