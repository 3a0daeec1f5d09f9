"""General rows: their share, and none that the run is measured on."""

from __future__ import annotations

import json
from pathlib import Path

from grpo.config.stages_data import RejectionConfig
from grpo.data.contamination import HeldOut
from grpo.stages.traces.general import general_rows
from grpo.stages.traces.overlap import EvaluatedOn
from grpo.types import Problem


def stage(folder: Path, rows: int) -> RejectionConfig:
    file = folder / "general.jsonl"
    lines = [{"question": f"say {number}", "demonstration": f"here: {number}"} for number in range(rows)]
    file.write_text("\n".join(map(json.dumps, lines)))
    found = RejectionConfig(mix_path=str(file))
    found.data.prompt_column = "question"
    return found


def test_three_reasoning_rows_for_a_general_one(tmp_path: Path) -> None:
    """600,000 : 200,000 in DeepSeek-R1."""
    assert [len(general_rows(stage(tmp_path, 50), EvaluatedOn(), count, 0)) for count in (3, 60, 90, 600)] == [
        1,
        20,
        30,
        50,
    ]


def test_what_the_run_is_measured_on_is_not_mixed_in(tmp_path: Path) -> None:
    held_out = HeldOut([Problem(id="a", prompt="Say 7", answer="7"), Problem(id="b", prompt="say  1", answer="1")])
    rows = general_rows(stage(tmp_path, 10), EvaluatedOn(sets=(held_out,)), 99, 0)
    assert [row.problem.prompt for row in rows] == [f"say {number}" for number in (0, 2, 3, 4, 5, 6, 8, 9)]
