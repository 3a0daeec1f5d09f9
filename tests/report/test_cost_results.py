"""What a result cost, in the report: in words, and money only where there is a price."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from grpo.report import write_report
from grpo.report.cost import is_priced
from grpo.report.cost_results import Price, estimate_words, point_costs
from grpo.report.read import read_run
from grpo.report.text import device_time

POINT = {
    "from": "before", "to": "after", "mode": "sampled", "points": 43.25, "ci95": [0.381, 0.484], "whole": True,
    "stages": ["cold", "rl"], "device_hours": 0.005, "amount": 0.01, "loaded_device_hours": 2.5, "loaded_amount": 5.0,
}  # fmt: skip


def page_of(run: Path, price: float, cost: dict[str, Any]) -> str:
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(config | {"cost": {"price_per_device_hour": price}}))
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"cost": summary["cost"] | cost}))
    return write_report(run).read_text()


def test_device_time_in_words() -> None:
    """0.005 h are 18 s, 0.02 h are 72 s."""
    assert device_time(0.005) == "18.0 s" and device_time(0.02) == "1 min 12 s" and device_time(1e-5) == "0.036 s"
    assert device_time(147_336.0) == "147,336 h" and device_time(2.5) == "2 h 30 min" and device_time(None) == "\u2014"


def test_an_entry_in_points() -> None:
    (one,) = point_costs({"per_point": [POINT]})
    assert (one.gain, one.interval, one.stages, one.whole) == ("+43.2", "+38.1 to +48.4", ("cold", "rl"), True)
    (bare,) = point_costs({"per_point": [{"ci95": [0.1]}]})
    assert (bare.gain, bare.interval, bare.whole) == ("\u2014", "", False)


def test_first_to_last_is_marked_and_has_both_prices(run_maker: Callable[..., Path]) -> None:
    page = page_of(run_maker(rl_steps=2, sft_steps=1), 2.0, {"per_point": [POINT]})
    said = "a point of accuracy, sampled, before to after (+43.2, 95 % interval +38.1 to +48.4) "
    assert f"{said}<small>first to last evaluation</small>" in page
    for cell in ("18.0 s", "0.0100 USD", "2 h 30 min", "5.00 USD"):
        assert f'<td class="num">{cell}</td>' in page, cell


def test_without_a_price_there_is_no_money(run_maker: Callable[..., Path]) -> None:
    run = run_maker(rl_steps=2, sft_steps=1)
    point = POINT | {"amount": None, "loaded_amount": None}
    page = page_of(run, 0.0, {"amount": 0.0, "per_point": [point]})
    assert not is_priced(read_run(run)) and "USD" not in page and ">cost<" not in page


@pytest.mark.parametrize(("ratio", "end"), [(None, "the run has not finished."), (1.234, "it took 1.23 times that.")])
def test_the_estimate_in_words(ratio: float | None, end: str) -> None:
    estimate = {"device_hours": 0.5, "amount": 1.0, "basis": "past runs", "runs": 2, "actual_over_estimate": ratio}
    words = estimate_words({"currency": "EUR", "estimate": estimate})
    assert words == f"Estimated before the start: 30 min 00 s of device time, 1.00 EUR, by 2 earlier run(s); {end}"
    assert estimate_words({}) == ""


def test_little_money_keeps_its_figures() -> None:
    assert Price(device_hours=None, amount=5.2e-6).cells("USD") == ("\u2014", "5.20e-06 USD")
    assert Price(device_hours=1.0, amount=0.25).cells("") == ("1 h 00 min", "0.2500")
