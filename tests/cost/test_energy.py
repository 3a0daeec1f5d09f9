"""Energy from counters that are really files: sums, wraps, and saying why there is nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grpo.cost.energy import EnergyMeter, Rapl, open_meter


def zone(root: Path, place: str, name: str, microjoules: int, span: int = 1_000_000) -> Path:
    folder = root / f"intel-rapl:{place}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{span}\n")
    return folder / "energy_uj"


def test_packages_and_memory_count_and_their_parts_do_not(tmp_path: Path) -> None:
    first, second = zone(tmp_path, "0", "package-0", 100), zone(tmp_path, "1", "package-1", 500)
    memory, core = zone(tmp_path, "0:1", "dram", 0), zone(tmp_path, "0:0", "core", 0)
    whole = zone(tmp_path, "2", "psys", 0)
    meter = open_meter([], tmp_path)
    meter.start()
    first.write_text("300100")
    second.write_text("200500")
    memory.write_text("50000")
    for inside in (core, whole):
        inside.write_text("900000")
    assert meter.take() == pytest.approx(0.3 + 0.2 + 0.05)
    assert meter.take() == 0.0
    meter.stop()


def test_a_wrap_is_undone(tmp_path: Path) -> None:
    file = zone(tmp_path, "0", "package-0", 900_000, span=1_000_000)
    counters = Rapl(tmp_path)
    file.write_text("950000")
    assert counters.read() == pytest.approx(0.05)
    file.write_text("100000")
    assert counters.read() == pytest.approx(0.05 + 0.15)
    file.write_text("200000")
    assert counters.read() == pytest.approx(0.3)


def test_nothing_to_read_is_no_number_and_a_reason(tmp_path: Path) -> None:
    meter = open_meter([], tmp_path)
    meter.start()
    assert meter.take() is None and meter.missing is not None
    assert "has no readable intel-rapl package" in meter.missing


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_for_root_only_is_a_reason(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 5).chmod(0)
    assert "Permission denied" in (open_meter([], tmp_path).missing or "")


def test_a_counter_that_goes_away_ends_measuring(tmp_path: Path) -> None:
    file = zone(tmp_path, "0", "package-0", 5)
    meter = open_meter([], tmp_path)
    meter.start()
    file.unlink()
    assert meter.take() is None and "reading rapl failed" in (meter.missing or "")
    file.write_text("7")
    assert meter.take() is None, "what was missed in between is not known"


def test_garbage_in_a_counter_is_a_reason(tmp_path: Path) -> None:
    zone(tmp_path, "0", "package-0", 5).write_text("many")
    assert open_meter([], tmp_path).counters is None


def test_no_driver_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpo.cost.energy.NVML", "libsurely-not-there.so")
    assert "libsurely-not-there" in (open_meter(["GPU-1"]).missing or "")


def test_each_answer_covers_the_time_since_the_last() -> None:
    class Rising:
        name = "rising"
        values = iter([10.0, 12.0, 17.0])

        def read(self) -> float:
            return next(self.values)

    meter = EnergyMeter(Rising())
    meter.start()
    assert [meter.take(), meter.take()] == [2.0, 5.0]
    meter.stop()
