"""The arithmetic of the comparison: intervals, pairs, overlaps, and text that is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import optimizer_quality as quality
from benchmarks.optimizer_quality import EXACT, Plan, against, interval, overlap, overlaps, passages, tenths_of


def test_interval_by_hand() -> None:
    """1, 2, 3: deviation 1, Student's t of 2 degrees of freedom 4.303, so 2 ± 4.303/√3."""
    found = interval([1.0, 2.0, 3.0])
    assert found["mean"] == 2.0 and found["ci95"] == pytest.approx([2 - 2.48434, 2 + 2.48434], abs=1e-4)
    assert interval([5.0]) == {"mean": 5.0, "ci95": None, "values": [5.0]}


def test_differences_are_paired() -> None:
    """Seeds that differ by far more than the arms do: the difference is still sharp."""
    found = against({EXACT: [1.0, 5.0, 9.0], "other": [1.1, 5.1, 9.1]})
    assert list(found) == ["other"] and found["other"]["mean"] == pytest.approx(0.1)
    assert found["other"]["ci95"] == pytest.approx([0.1, 0.1])


def test_overlap() -> None:
    assert overlap([0.0, 1.0], [1.0, 2.0]) and overlap([0.0, 9.0], [3.0, 4.0])
    assert not overlap([0.0, 1.0], [1.1, 2.0]) and not overlap([1.1, 2.0], [0.0, 1.0])


def test_tenths() -> None:
    assert tenths_of([float(i) for i in range(20)]) == [0.5 + 2 * i for i in range(10)]
    assert tenths_of([3.0, 4.0]) == [3.0, 4.0]


def test_a_worse_arm_does_not_overlap() -> None:
    curves = {EXACT: [[0.9, 0.9], [0.92, 0.92]], "float32 compact": [[0.1, 0.91], [0.11, 0.9]]}
    accuracy = {EXACT: [[0.8, 0.9]] * 2, "float32 compact": [[0.85, 0.95], [0.1, 0.2]]}
    found = overlaps(curves, {name: [{"ci95": ci} for ci in cis] for name, cis in accuracy.items()})
    assert found == {"float32 compact": {"accuracy_by_seed": [True, False], "curve": [False, True]}}


def test_passages_are_whole_ascii_and_different() -> None:
    found = passages(200)
    assert len(found) == 200 and all(len(text) == 128 and text.isascii() for text in found)
    assert len(set(found)) > 190
    with pytest.raises(ValueError, match="standard library has"):
        passages(10**7)


def test_a_small_language_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twelve steps through the real trainer: every arm starts alike, learns, and is told in the file and the table."""
    monkeypatch.setattr(quality, "QUICK", Plan(seeds=1, language_steps=12, passages_per_step=2, passages=64, hidden=24))
    out = tmp_path / "out.json"
    assert quality.main(["--quick", "--only", "language", "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    training = {name: curves[0] for name, curves in record["language"]["training"].items()}
    assert list(training) == list(quality.ARMS) and all(len(curve) == 12 for curve in training.values())
    first = [curve[0] for curve in training.values()]
    assert max(first) - min(first) < 0.01 and all(curve[-1] < curve[0] - 0.01 for curve in training.values())
    exact = record["language"]["held_out"][EXACT]["mean"]
    compact = record["language"]["held_out"]["float32 compact"]["mean"]
    assert record["language"]["difference"]["float32 compact"]["mean"] == pytest.approx(compact - exact)
    assert abs(compact - exact) < 0.01 and "bfloat16 adamw" in capsys.readouterr().out
