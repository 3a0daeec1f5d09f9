"""What a sandboxed program may use, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KilledBy = Literal["wall", "cpu", "output", "signal"]


class SandboxError(RuntimeError):
    """The sandbox itself failed, which says nothing about the program in it."""


class SandboxUnavailableError(SandboxError):
    """This machine cannot isolate a program; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one program and of everything it starts."""

    cpu_seconds: int = 4
    """CPU time of each process."""
    wall_seconds: float = 20.0
    """Backstop for programs that wait instead of computing; generous, so that a busy machine changes no verdict."""
    memory_bytes: int = 512 << 20
    """Address space of each process."""
    processes: int = 16
    """Processes and threads at once. Counted per sandbox by Linux 5.14 and later, per user before."""
    open_files: int = 64
    output_bytes: int = 1 << 20
    """Standard output and standard error together."""

    def __post_init__(self) -> None:
        for name, least in (("cpu_seconds", 1), ("processes", 1), ("open_files", 16), ("output_bytes", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} {getattr(self, name)} must be at least {least}")
        if not 0 < self.wall_seconds < float("inf"):
            raise ValueError(f"wall_seconds {self.wall_seconds} must be positive")
        if self.memory_bytes < 64 << 20:
            raise ValueError(f"memory_bytes {self.memory_bytes} must be at least {64 << 20}: Python needs about 30 MB")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxResult:
    """How a program ended."""

    exit_code: int
    """128 + n where signal n ended it, as shells say."""
    stdout: bytes
    stderr: bytes
    seconds: float
    """Wall time, the start of the sandbox included."""
    killed_by: KilledBy | None
    """The limit that ended it; `signal`: another signal, its own or the kernel's."""
