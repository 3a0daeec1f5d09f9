"""The experiment that forces waits on a model that has seen them, at the smallest sizes."""

from __future__ import annotations

import json
from pathlib import Path

from grpo.config.load import load_config
from grpo.run.pipeline import run_pipeline
from tests.run.running import newest


def test_every_number_of_waits_is_measured(tmp_path: Path) -> None:
    words = ["experiment=budget", "debug=tiny", "rollout=transformers", "logger=[file]", "threads=1"]
    words += ["stages.curve.budgets=[8,32]", "stages.curve.rollout.max_tokens=40"]
    assert run_pipeline(load_config([*words, f"run_root={tmp_path}"])) == 0
    folder = newest(tmp_path)
    summary = json.loads((folder / "summary.json").read_text())
    (entry,) = summary["budget"]
    assert (entry["stage"], entry["wait_text"], entry["n"]) == ("curve", "Wait", 8)
    assert [(one["budget"], one["waits"]) for one in entry["points"]] == [(b, w) for w in range(5) for b in (8, 32)]
    assert [one["to"]["waits"] for one in entry["extensions"]] == [1, 2, 3, 4]
    assert "Up to 4 waits at 32 tokens" in (folder / "report.html").read_text()
