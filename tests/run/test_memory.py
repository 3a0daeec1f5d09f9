"""Peaks are kept apart by stage and phase."""

from __future__ import annotations

import pytest
import torch

from grpo.run.memory import PeakGauge

MIB = 2**20


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU the gauge counts device memory")
def test_a_phase_keeps_its_peak_and_the_next_starts_below_it() -> None:
    gauge = PeakGauge()
    gauge.start()
    gauge.stage("first", "load")
    with gauge.phase("update"):
        held = torch.ones(64 * MIB)
        del held
    gauge.stage("second", "load")
    phases = gauge.phases_of("first")
    assert phases["update"] - gauge.base >= 250 * MIB
    assert phases["load"] < phases["update"] - 200 * MIB
    assert gauge.peak_of("first") == phases["update"] > gauge.peak_of("second") + 200 * MIB
