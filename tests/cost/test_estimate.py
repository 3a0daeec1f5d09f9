"""Estimates before launch: by arithmetic, and by runs of the same folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from grpo.config.load import load_config
from grpo.config.schema import RunConfig
from grpo.cost.estimate import ARITHMETIC, PAST, UNKNOWN, comparable, estimate_cost, estimate_lines, matrix_rate
from grpo.cost.project import PastRun
from grpo.cost.usage import Usage

OVERRIDES = [
    "debug=tiny",
    "pipeline=[cold_start,rl]",
    "stages.cold_start.steps=10",
    "stages.cold_start.demonstrations_per_step=2",
    "stages.rl.steps=5",
    "stages.rl.prompts_per_step=4",
    "rollout.completions_per_prompt=2",
    "rollout.max_tokens=10",
    "cost.price_per_device_hour=2",
]
"""Limits by hand: cold start 10 x 2 x 10 = 200 trained; rl 5 x 4 x 2 x 10 = 400 sampled and 400 trained."""


def no_rate(dtype: str) -> float:
    raise AssertionError("the matrix rate was asked for")


def past(config: RunConfig, status: str = "finished", **changes: Any) -> PastRun:
    """Took 2 h for 100 cold-start tokens, and 3 h plus 1 h done twice for 1,600 rl tokens."""
    planned = {
        "cold_start": {"kind": "sft", "tokens_sampled": 0, "tokens_trained": 100},
        "rl": {"kind": "reinforce", "tokens_sampled": 800, "tokens_trained": 800},
    }
    stages = {"cold_start": {"device_hours": 2.0}, "rl": {"device_hours": 4.0, "lost": {"device_hours": 1.0}}}
    estimate = {"like": comparable(config) | changes, "stages": planned}
    summary = {"stages": stages, "cost": {"estimate": estimate}}
    return PastRun(folder=Path("p"), status=status, usage=Usage(), currency="USD", summary=summary)


def test_by_arithmetic_by_hand() -> None:
    """6 operations per parameter and trained token, 2 per sampled: (6 * 600 + 2 * 400) N at 30 % of 1000 a second."""
    config = load_config(OVERRIDES)
    found = estimate_cost(config, [], lambda dtype: 1000.0)
    assert found.basis == ARITHMETIC and found.flops is not None and found.device_hours is not None
    parameters = found.flops / (6 * 600 + 2 * 400)
    assert parameters == int(parameters) > 1000
    assert found.device_hours == pytest.approx(found.flops / 300.0 / 3600)
    assert found.amount == pytest.approx(2 * found.device_hours)
    assert found.stages["cold_start"].device_hours == pytest.approx(6 * 200 * parameters / 300 / 3600)


def test_by_past_runs_by_hand() -> None:
    """Cold start: 200 tokens at 2 h per 100 are 4 h; rl: 800 tokens at 3 h per 1,600 are 1.5 h."""
    config = load_config(OVERRIDES)
    found = estimate_cost(config, [past(config), past(config)], no_rate)
    assert (found.basis, found.runs) == (PAST, 2)
    assert {name: stage.device_hours for name, stage in found.stages.items()} == {"cold_start": 4.0, "rl": 1.5}
    assert (found.device_hours, found.amount) == (5.5, 11.0)
    text = "\n".join(estimate_lines(found, "USD", 2.0))
    assert "about 5.5 device-hours, by what 2 finished run(s)" in text and "about 11 USD at 2 a device-hour" in text


@pytest.mark.parametrize("change", [{"status": "failed"}, {"engine": "another"}, {"model": {"layers": 99}}])
def test_other_runs_do_not_count(change: dict[str, Any]) -> None:
    config = load_config(OVERRIDES)
    assert estimate_cost(config, [past(config, **change)], lambda dtype: 1.0).basis == ARITHMETIC


def test_a_kind_of_stage_never_seen_goes_by_arithmetic() -> None:
    config = load_config([*OVERRIDES, "pipeline=[cold_start,rl,export]"])
    assert estimate_cost(config, [past(config)], lambda dtype: 1.0).basis == ARITHMETIC


def test_a_model_of_unknown_size_has_no_estimate() -> None:
    config = load_config(OVERRIDES)
    config.model.name = "somebody/some-model"
    found = estimate_cost(config, [], no_rate)
    assert found.basis == UNKNOWN and found.device_hours is None and found.amount is None
    assert "work unknown" in "\n".join(estimate_lines(found, "USD", 2.0))


def test_another_shape_is_not_comparable() -> None:
    one, other = load_config(OVERRIDES), load_config([*OVERRIDES, "model.scratch.layers=7"])
    assert comparable(one) != comparable(other) and comparable(one) == comparable(load_config([*OVERRIDES, "seed=3"]))


def test_the_matrix_rate_is_that_of_the_fastest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of 100, 20 and 50 ms: the first warmed up, the last shared its core."""
    clock = iter([0.0, 0.0, 0.1, 0.11, 0.13, 0.14, 0.19, 0.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert matrix_rate("float32", size=8, seconds=0.2) == pytest.approx(2 * 8**3 / 0.02)
