"""Energy that the hardware itself counts: NVML on NVIDIA devices, RAPL on CPUs. What is not counted is not guessed."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

POWERCAP = Path("/sys/class/powercap")
NVML = "libnvidia-ml.so.1"
POLL_SECONDS = 60.0
"""Between readings: a package's counter wraps after minutes at full power, and one wrap is all that can be seen."""
MICRO, MILLI = 1e-6, 1e-3


class Counters(Protocol):
    """Counters that only rise, or wrap."""

    name: str

    def read(self) -> float:
        """Joules since an arbitrary moment, wraps undone; raises OSError when they cannot be read."""
        ...


@dataclass(slots=True)
class Zone:
    """One RAPL counter, microjoules."""

    file: Path
    span: int
    """Microjoules after which it starts again from 0 (`max_energy_range_uj`)."""
    last: int
    counted: int = 0

    def read(self) -> int:
        """Microjoules since it was opened."""
        now = int(self.file.read_text(encoding="ascii"))
        self.counted += now - self.last if now >= self.last else now + self.span - self.last
        self.last = now
        return self.counted


class Rapl:
    """CPU packages and their memory, as far as the machine counts it; the rest of the machine is not in it.

    `package-*` zones and, where there are any, the `dram` zones inside them (core and uncore are parts of a package).
    Source: Linux, Documentation/power/powercap/powercap.rst.
    """

    name = "rapl"

    def __init__(self, root: Path = POWERCAP) -> None:
        """Raises OSError, saying why, when nothing can be read."""
        zones = sorted(path for path in root.glob("intel-rapl:*") if _counts(path))
        if not zones:
            raise OSError(f"{root} has no readable intel-rapl package")
        self._zones = [_zone(path) for path in zones]

    def read(self) -> float:
        return sum(zone.read() for zone in self._zones) * MICRO


class Nvml:
    """The devices in use, by their UUIDs (`nvmlDeviceGetTotalEnergyConsumption`, millijoules, Volta and later)."""

    name = "nvml"

    def __init__(self, uuids: Sequence[str]) -> None:
        """Raises OSError, saying why, when they cannot be read."""
        self._library = ctypes.CDLL(NVML)
        _ask(self._library.nvmlInit_v2(), "nvmlInit_v2")
        self._handles = [self._handle(uuid) for uuid in uuids]
        self.read()

    def read(self) -> float:
        return sum(self._millijoules(handle) for handle in self._handles) * MILLI

    def _handle(self, uuid: str) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        name = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        _ask(self._library.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(handle)), f"finding {name}")
        return handle

    def _millijoules(self, handle: ctypes.c_void_p) -> int:
        found = ctypes.c_ulonglong()
        _ask(self._library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(found)), "reading energy")
        return found.value


@dataclass(slots=True)
class EnergyMeter:
    """Joules since the last question, read in between by a thread of its own so that no wrap is missed."""

    counters: Counters | None
    missing: str | None = None
    """Why there are none."""
    _last: float = 0.0
    _polled: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Count from now."""
        if self.counters is not None:
            self._last = self._polled = self.counters.read()
            threading.Thread(target=self._poll, name="energy", daemon=True).start()

    def take(self) -> float | None:
        """Joules since `start` or the last call; None without counters, and from the first failed reading on."""
        now = self._read()
        if now is None:
            return None
        spent, self._last = now - self._last, now
        return spent

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def _read(self) -> float | None:
        with self._lock:
            counters = self.counters
            if counters is None:
                return None
            try:
                self._polled = counters.read()
            except (OSError, ValueError) as error:
                self.counters, self.missing = None, f"reading {counters.name} failed: {error}"
                return None
            return self._polled

    def _poll(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            if self._read() is None:
                return


def open_meter(uuids: Sequence[str], root: Path = POWERCAP) -> EnergyMeter:
    """For the GPUs with these UUIDs; none: for the CPU packages. Never raises: the meter says why it cannot read."""
    try:
        return EnergyMeter(Nvml(uuids) if uuids else Rapl(root))
    except (OSError, ValueError, AttributeError) as error:
        return EnergyMeter(None, f"no energy counter: {error}")


def _counts(path: Path) -> bool:
    try:
        name = (path / "name").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return False
    return name.startswith("package") or name == "dram"


def _zone(path: Path) -> Zone:
    file = path / "energy_uj"
    span = int((path / "max_energy_range_uj").read_text(encoding="ascii"))
    return Zone(file=file, span=span, last=int(file.read_text(encoding="ascii")))


def _ask(code: int, what: str) -> None:
    if code != 0:
        raise OSError(f"NVML error {code} {what}")
