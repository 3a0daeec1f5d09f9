"""A result file says where, with what and from which commit."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from benchmarks.record import facts, write


def test_the_head_of_a_result(tmp_path: Path) -> None:
    record = facts("head", seed=3)
    assert record["benchmark"] == "head" and record["seed"] == 3
    machine = record["machine"]
    assert machine["threads"] == torch.get_num_threads() and machine["cores"] >= 1
    assert machine["memory_bytes"] > 2**28 and machine["processor"]
    assert {"python", "torch", "transformers"} <= record["versions"].keys()
    write(record, tmp_path / "made" / "out.json")
    assert json.loads((tmp_path / "made" / "out.json").read_text()) == json.loads(json.dumps(record))
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["out.json"]


def test_a_commit_can_be_told() -> None:
    assert facts("gpu", 0, "abc")["commit"] == "abc"
