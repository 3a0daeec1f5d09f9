"""A peak that is gone by the end is still seen, what was there before is not, and children answer or say why not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks import memory
from benchmarks.memory import Peak, in_child

MEBI = 2**20
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def fill(mebibytes: int) -> torch.Tensor:
    return torch.ones(mebibytes * MEBI // 4)


@pytest.mark.parametrize("allowed", [True, False], ids=["high_water_mark", "sampler"])
def test_a_short_peak_is_seen_and_the_base_is_not(allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not allowed:
        monkeypatch.setattr(memory, "_reset_high_water_mark", lambda: False)
    peak = Peak()
    kept = fill(64)
    peak.start()
    gone = fill(48)
    if not allowed:
        for _ in range(40):  # longer than one period of the sampler
            gone.mul_(1.0)
    del gone
    extra = peak.stop()
    assert 44 * MEBI < extra < 60 * MEBI, extra
    assert kept.numel() == 64 * MEBI // 4
    assert peak.method == ("VmHWM" if allowed else "statm every 0.002 s")


def test_a_second_peak_starts_afresh() -> None:
    peak = Peak()
    peak.start()
    fill(64)
    assert peak.stop() > 60 * MEBI
    peak.start()
    fill(8)
    assert peak.stop() < 30 * MEBI


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that answers with its request and its allocator, fails, or hangs."""
    text = (
        "import json, os, sys, time\n"
        "request = json.loads(sys.argv[1])\n"
        "time.sleep(request['sleep'])\n"
        "print('some library says hello')\n"
        "assert request['ok'], 'told to fail'\n"
        "print(json.dumps({'arenas': os.environ['MALLOC_ARENA_MAX'], 'got': request}))\n"
    )
    (tmp_path / "an_odd_child.py").write_text(text)
    monkeypatch.setattr(memory, "ROOT", tmp_path)
    return "an_odd_child"


def test_a_child_answers_with_the_allocator_set(child: str) -> None:
    request = {"ok": True, "sleep": 0}
    assert in_child(child, request, 60) == {"arenas": "1", "got": request}


def test_a_child_that_fails_or_hangs_is_an_error_with_its_words(child: str) -> None:
    with pytest.raises(RuntimeError, match="told to fail"):
        in_child(child, {"ok": False, "sleep": 0}, 60)
    with pytest.raises(RuntimeError, match=r"longer than 0\.5 s"):
        in_child(child, {"ok": True, "sleep": 30}, 0.5)
