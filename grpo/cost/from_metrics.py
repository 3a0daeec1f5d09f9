"""What can be known of a run without a ledger: lines of one made from its `metrics.jsonl`.

The steps' own times and tokens only: loading, saving a model and stages without metrics are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grpo.cost.ledger import STEP, read_lines
from grpo.track.cut import METRICS_FILE
from grpo.track.loose import number, text

MISSING = "it was not recorded"


def start_line(devices: int, price: float, currency: str) -> dict[str, Any]:
    """Opens the lines of a process that is not this one."""
    return {
        "event": "start",
        "devices": devices,
        "price": price,
        "currency": currency,
        "energy_missing": MISSING,
        "resume_step": None,
    }


def lines_from_metrics(folder: Path) -> Iterator[dict[str, Any]]:
    """A line of work for every line of metrics: seconds of the step and of the checkpoint before it, and tokens."""
    before: dict[str, float] = {}
    for row in read_lines(folder / METRICS_FILE):
        seconds, step = number(row.get("step_time")), number(row.get("step"))
        if seconds is None or step is None:
            continue
        stage = text(row.get("stage"))
        sampled = _product(row, "tokens_per_second/sampled", "time/rollout")
        counted = number(row.get("num_tokens"))
        passed = 0.0
        if counted is not None:  # completions and prompts since the stage began
            passed, before[stage] = counted - before.get(stage, 0.0), counted
        yield {
            "event": "work",
            "stage": stage,
            "part": STEP,
            "step": int(step),
            "seconds": seconds + (number(row.get("time/checkpoint")) or 0.0),
            "tokens_sampled": sampled,
            "tokens_prompted": max(0, round(passed) - sampled),
            "tokens_trained": _product(row, "tokens_per_second/trained", "time/update"),
            "energy_joules": None,
        }


def _product(row: dict[str, Any], rate: str, seconds: str) -> int:
    return round((number(row.get(rate)) or 0.0) * (number(row.get(seconds)) or 0.0))
