"""The ledger: what is counted, what is lost, and what a torn or foreign line does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grpo.cost.from_metrics import lines_from_metrics, start_line
from grpo.cost.ledger import LEDGER_FILE, Ledger, Tally, read_lines


def start(resume_step: int | None = None, devices: int = 1, price: float = 2.0) -> dict[str, Any]:
    return start_line(devices, price, "USD") | {"resume_step": resume_step}


def work(stage: str, step: int | None, seconds: float, part: str = "step", **more: Any) -> dict[str, Any]:
    return {"event": "work", "stage": stage, "part": part, "step": step, "seconds": seconds, **more}


def test_device_hours_tokens_and_money_by_hand() -> None:
    tally = Tally().add_all(
        [
            start(devices=4, price=2.0),
            work("rl", None, 900.0, part="load", energy_joules=10.0),
            work("rl", 1, 1800.0, tokens_sampled=100, tokens_prompted=7, tokens_trained=50, energy_joules=5.0),
            work("rl", 2, 900.0, tokens_sampled=11, tokens_trained=5, energy_joules=1.5),
        ]
    )
    used = tally.stages["rl"].used
    assert (used.wall_seconds, used.device_hours, used.amount) == (3600.0, 4.0, 8.0)
    assert (used.tokens_sampled, used.tokens_prompted, used.tokens_trained) == (111, 7, 55)
    assert used.energy_joules == 16.5 and used.energy_missing is None
    assert tally.lost_steps == 0 and tally.lost.wall_seconds == 0


def test_steps_past_the_resume_are_lost_and_still_counted() -> None:
    """Steps 1 to 5, killed; checkpoint at 2: 3, 4, 5 again, killed in 5; checkpoint at 4: 5 and 6 again."""
    seconds = {1: 1.0, 2: 2.0, 3: 4.0, 4: 8.0, 5: 16.0}
    rows = [start(), *(work("rl", step, seconds[step], tokens_sampled=10) for step in range(1, 6))]
    rows += [start(2), work("rl", None, 100.0, part="load"), work("rl", 3, 32.0), work("rl", 4, 64.0)]
    rows += [start(4), work("rl", 5, 128.0), work("rl", 6, 256.0)]
    tally = Tally().add_all(rows)
    assert tally.used.wall_seconds == 1 + 2 + 4 + 8 + 16 + 100 + 32 + 64 + 128 + 256
    assert tally.lost.wall_seconds == 4 + 8 + 16 and tally.lost_steps == 3
    assert tally.lost.tokens_sampled == 30 and tally.used.tokens_sampled == 50


def test_lost_steps_belong_to_their_own_stage() -> None:
    rows = [start(), work("sft", 1, 1.0), work("rl", 2, 2.0), start(0), work("sft", 1, 4.0)]
    tally = Tally().add_all(rows)
    assert {name: (use.lost_steps, use.lost.wall_seconds) for name, use in tally.stages.items()} == {
        "sft": (1, 1.0),
        "rl": (1, 2.0),
    }


def test_without_price_or_counter_there_is_no_amount_and_no_energy() -> None:
    opening = start(price=0.0) | {"energy_missing": "no counter"}
    used = Tally().add_all([opening, work("rl", 1, 3600.0, energy_joules=None)]).used
    assert used.amount is None and used.energy_joules is None and used.energy_missing == "no counter"
    assert used.device_hours == 1.0


def test_one_unmeasured_piece_leaves_the_sum_unmeasured() -> None:
    rows = [start(), work("rl", 1, 1.0, energy_joules=3.0), work("rl", 2, 1.0, energy_joules=None)]
    used = Tally().add_all(rows).used
    assert used.energy_joules is None and used.energy_missing


def test_torn_and_foreign_lines_are_passed_over_and_never_glued_to(tmp_path: Path) -> None:
    file = tmp_path / LEDGER_FILE
    first = json.dumps(start()) + "\n" + json.dumps(work("rl", 1, 1.0)) + "\n"
    file.write_text(first + '[1]\n"x"\n{"event": "party"}\n' + '{"event": "work", "seconds": -5}\n{"event": "wo')
    ledger = Ledger(tmp_path)
    assert ledger.tally.used.wall_seconds == 1.0
    ledger.append(work("rl", 2, 2.0))
    ledger.close()
    assert Tally().add_all(read_lines(file)).used.wall_seconds == 3.0
    assert file.read_text().startswith(first), "nothing is ever cut"


def test_appending_counts_as_reading_does(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for row in (start(), work("rl", 1, 1.5), start(0), work("rl", 1, 2.5)):
        ledger.append(row)
    again = Tally().add_all(read_lines(tmp_path / LEDGER_FILE))
    assert again.used == ledger.tally.used and again.lost == ledger.tally.lost and again.lost_steps == 1


def test_metrics_give_seconds_and_tokens(tmp_path: Path) -> None:
    lines = [
        {"step": 1, "stage": "rl", "step_time": 4.0, "time/rollout": 2.0, "tokens_per_second/sampled": 50.0}
        | {"time/update": 1.0, "tokens_per_second/trained": 80.0, "num_tokens": 130.0},
        {"step": 2, "stage": "rl", "step_time": 5.0, "time/checkpoint": 1.0, "time/rollout": 2.0}
        | {"tokens_per_second/sampled": 60.0, "num_tokens": 280.0},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 3, "st')
    used = Tally().add_all([start(), *lines_from_metrics(tmp_path)]).used
    assert used.wall_seconds == pytest.approx(10.0)
    assert (used.tokens_sampled, used.tokens_prompted, used.tokens_trained) == (220, 60, 80)


def test_calls_of_a_step_that_was_not_logged_are_lost_with_it() -> None:
    """Step 1 stands; an evaluation, step 2, was killed after two calls, then after its step was logged, then ended."""
    calls = [work("eval", 2, 4.0, "sample", tokens_sampled=30), work("eval", 2, 8.0, "sample", tokens_sampled=20)]
    rows = [start(), work("rl", 1, 2.0), *calls, start(1), *calls, work("eval", 2, 1.0), start(1), *calls]
    tally = Tally().add_all([*rows, work("eval", 2, 1.0)])
    evaluation = tally.stages["eval"]
    assert evaluation.used.wall_seconds == 3 * 12 + 2 and evaluation.used.tokens_sampled == 150
    assert evaluation.lost.wall_seconds == 2 * 12 + 1 and evaluation.lost.tokens_sampled == 100
    assert evaluation.lost_steps == 1 and tally.stages["rl"].lost_steps == 0


def test_calls_whose_completions_are_kept_are_not_lost() -> None:
    call = work("rejection", None, 4.0, "sample", tokens_sampled=30)
    tally = Tally().add_all([start(), work("rl", 1, 2.0), call, start(1), call, work("rejection", 2, 1.0)])
    assert tally.used.tokens_sampled == 60 and tally.lost.wall_seconds == 0 and tally.lost_steps == 0
