"""Finished work is found again, other work is not, and a failure is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.learning import finished as module
from benchmarks.learning.finished import finished, first_facts, keep, keep_failure, reason_of


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


def test_the_first_start_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Later starts find the first's results in the tree, which then differs from the commit."""
    commits = iter(["abc", "abc-dirty"])
    monkeypatch.setattr(module, "facts", lambda name, seed: {"benchmark": name, "seed": seed, "commit": next(commits)})
    assert first_facts(tmp_path, "race", 0)["commit"] == "abc"
    assert first_facts(tmp_path, "race", 0)["commit"] == "abc"
