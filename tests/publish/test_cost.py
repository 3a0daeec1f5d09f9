"""Cost in the model card: final and fully loaded side by side, and a point of accuracy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grpo.cost.usage import Usage
from tests.publish.cards import card_of, make_run


def usage(hours: float, amount: float | None, **more: Any) -> dict[str, Any]:
    used = Usage(device_hours=hours, wall_seconds=3600 * hours, amount=amount, tokens_sampled=round(1000 * hours))
    return used.entry() | {"energy_joules": None, "energy_missing": "no counter"} | more


def card_with(folder: Path, price: float, *amounts: float | None) -> str:
    """`amounts`: of the final run, of everything, of a point, of a point with everything."""
    final, loaded, point, loaded_point = amounts
    run = make_run(folder, f"cost.price_per_device_hour={price}")
    summary = json.loads((run / "summary.json").read_text())
    summary["cost"] |= {
        "final": usage(2.1, final, lost={"steps": 3, "wall_seconds": 61.0}),
        "loaded": usage(12.0, loaded, runs=4, finished=1, failed=2, running=1, unpriced_device_hours=1.5),
        "per_point": [{
            "from": "cold_start_eval", "to": "rl_eval", "mode": "greedy", "points": 23.0, "ci95": [0.17, 0.29],
            "whole": True, "device_hours": 2 / 23, "amount": point, "loaded_device_hours": 12 / 23,
            "loaded_amount": loaded_point,
        }],
        "estimate": {"device_hours": 1.4, "amount": None, "basis": "arithmetic", "actual_over_estimate": None},
    }  # fmt: skip
    (run / "summary.json").write_text(json.dumps(summary))
    return card_of(run)["README.md"]


def test_side_by_side_with_money(tmp_path: Path) -> None:
    """2 h for 23 points are 313 s each, 12 h are 1,878 s; 2.1 h of an estimated 1.4 h are 1.50 times."""
    card = card_with(tmp_path / "run", 2.5, 5.25, 30.0, 5 / 23, 30 / 23)
    for said in (
        "|  | final run | fully loaded |", "| device-hours | 2.100 | 12.000 |", "| cost | 5.25 USD | 30.00 USD |",
        "| wall time | 2 h 06 min | 12 h 00 min |", "| tokens sampled | 2,100 | 12,000 |",
        "In the final run: 3 step(s), 1 min 01 s, that a kill made it do again.",
        "Fully loaded: all 4 run(s) of the run root", "(1 finished, 2 failed, 1 running)",
        "1.500 device-hours of them have no price in this currency.",
        "| `cold_start_eval` to `rl_eval`, first to last | greedy | +23.0 | +17.0 to +29.0 | 5 min 13 s "
        "| 31 min 18 s | 0.2174 USD | 1.30 USD |",
        "Estimated before the start: 1 h 24 min of device time, by arithmetic; ",
        "up to the export it took 1.50 times that.",
    ):  # fmt: skip
        assert said in card, said
    assert "- `" not in card.split("\n## Cost")[1].split("\n## ")[0], "no bare keys of the summary"
    assert "| energy |" not in card and "Energy was not measured." in card


def test_without_a_price_there_is_no_money(tmp_path: Path) -> None:
    card = card_with(tmp_path / "run", 0.0, None, None, None, None)
    cost = card.split("\n## Cost")[1].split("\n## ")[0]
    assert "USD" not in cost and "| cost |" not in cost and "money" not in cost
    assert "no price in this currency" not in cost
    assert "| +17.0 to +29.0 | 5 min 13 s | 31 min 18 s |\n" in cost


def test_a_run_without_accounts_has_only_its_stages(tmp_path: Path) -> None:
    card = card_of(make_run(tmp_path / "run"))["README.md"]
    assert "## Cost" in card and "fully loaded" not in card and "point of accuracy" not in card
