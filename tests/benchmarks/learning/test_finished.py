"""Finished work is found again, other work is not, and a failure is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.learning import finished as module
from benchmarks.learning.finished import finished, keep, keep_failure, reason_of, standing_facts


def test_only_the_same_request_counts(tmp_path: Path) -> None:
    file = tmp_path / "a" / "cell.json"
    assert finished(file, {"lr": 1.0}) is None and reason_of(file) == "not run"
    keep(file, {"lr": 1.0, "at": (1, 2)}, {"accuracy": 0.5})
    found = finished(file, {"lr": 1.0, "at": (1, 2)})
    assert found is not None and found["accuracy"] == 0.5
    assert finished(file, {"lr": 2.0, "at": (1, 2)}) is None
    file.write_text("{torn")
    assert finished(file, {"lr": 1.0, "at": (1, 2)}) is None


def test_a_failure_is_no_result(tmp_path: Path) -> None:
    keep_failure(tmp_path / "cell.json", {"lr": 1.0}, "ConfigError: no such loss")
    assert finished(tmp_path / "cell.json", {"lr": 1.0}) is None
    assert reason_of(tmp_path / "cell.json") == "ConfigError: no such loss"


def test_a_tree_with_results_in_it_keeps_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of the first start make the tree dirty for the second; a clean tree says where it is."""
    commits = iter(["abc", "abc-dirty", "def"])
    monkeypatch.setattr(module, "facts", lambda name, seed: {"benchmark": name, "seed": seed, "commit": next(commits)})
    assert [standing_facts(tmp_path, "race", 0)["commit"] for _ in range(3)] == ["abc", "abc", "def"]
