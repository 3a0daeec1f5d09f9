"""The verifier's benchmark gives both sides the same pairs on one core, and figures that follow from each other."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from benchmarks import verifier
from benchmarks.verifier import BARS, Sizes, measure, table, workloads

TINY = Sizes(pairs=6, repeats=2, seed=3)


def test_pairs_are_distinct_and_half_of_the_made_ones_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRPO_DATA", raising=False)
    made = workloads(random.Random(0), 200)
    assert made.keys() == {"integers", "fractions"}
    for pairs in made.values():
        assert len(set(pairs)) == 200
        assert [f"{{{gold}}}" in text for gold, text in pairs] == [index % 2 == 0 for index in range(200)]


@pytest.mark.slow
def test_the_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("math_verify")
    rows = [{"answer": str(index), "solution": rf"so $\boxed{{{index}}}$"} for index in range(6)]
    (tmp_path / "math").mkdir()
    (tmp_path / "math" / "math500.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("GRPO_DATA", str(tmp_path))
    cores = os.sched_getaffinity(0)
    pinned: list[int] = []
    monkeypatch.setattr(verifier, "git_commit", lambda: pinned.append(len(os.sched_getaffinity(0))) or "abc")
    record = json.loads(json.dumps(measure(TINY)))
    assert pinned == [1] and os.sched_getaffinity(0) == cores
    assert record["versions"]["math-verify"] and record["seed"] == 3
    assert record["workloads"].keys() == BARS.keys()
    for name, row in record["workloads"].items():
        wanted = {"math500_equal": 1.0, "math500_unequal": 0.0}.get(name, 0.5)
        assert row["share_equal"] == {"ours": wanted, "math_verify": wanted}
        ratios = [theirs / ours for ours, theirs in zip(*row["seconds"].values(), strict=True)]
        assert row["pairs"] == 6 and row["ratio_range"] == [min(ratios), max(ratios)]
        assert row["ratio"] == pytest.approx(sum(ratios) / 2)
    assert all(value > 0 for value in record["pool"].values()) and len(record["pool"]) == 5
    assert len(list(table(record))) == 3 + len(BARS)
