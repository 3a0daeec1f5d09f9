from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from grpo.rewards import audit
from grpo.rewards.audit import main, wilson
from grpo.rewards.audit_data import read_solutions
from grpo.rewards.math.pool import Pool
from tests.rewards.math.pools import HARMFUL

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    made = Pool(HARMFUL, workers=1)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def harmful(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right where gold and text are the same, see `harmful_judges`."""
    monkeypatch.setattr("grpo.rewards.math.verifier._pool", pool)
    monkeypatch.setattr(audit, "close", lambda: None)


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def case(gold: str, text: str, equal: object, kind: str = "integer") -> dict[str, object]:
    return {"gold": gold, "text": text, "equal": equal, "type": kind}


@pytest.mark.parametrize(("count", "of"), [(1, 10), (5, 10), (3, 871), (860, 871)])
def test_wilson_bounds_are_where_the_normal_test_turns(count: int, of: int) -> None:
    """Its definition: the shares p whose own standard error puts the observed share 1.96 of them away."""
    for bound in wilson(count, of):
        assert abs(count / of - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / of), rel=1e-6)
    assert wilson(0, 10) == pytest.approx((0.0, 1.959964**2 / (10 + 1.959964**2)), abs=1e-6)
    assert wilson(10, 10)[1] == pytest.approx(1.0, abs=1e-12) and wilson(0, 0) == (0.0, 1.0)


def test_rates_by_type_and_in_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [case("7", "7", True)] * 6 + [case("7", "8", False)] * 3
    rows += [case("7", "x7", True), case("7", "7", False), case("a", "b", True, "text"), case("a", "\x1b[31m", False)]
    path = write(tmp_path / "cases.jsonl", *rows, "", case("1", "work 0.05", False, "slow"))
    assert main([str(path), "--slowest", "1"]) == 0
    said = capsys.readouterr().out
    lines = {line.split()[0]: line for line in said.splitlines() if line and not line.startswith(" ")}
    assert lines["integer"].split()[1:3] == ["12", "83.33%"]
    assert "1/7 = 14.29% [2.57%, 51.31%]" in lines["integer"] and "1/5 = 20.00%" in lines["integer"]
    assert "1/1 = 100.00%" in lines["text"] and "none labelled so" in lines["text"]
    assert lines["total"].split()[1:3] == ["14", "78.57%"]
    assert "2/8 = 25.00%" in lines["total"] and "1/6 = 16.67%" in lines["total"]
    assert "verdicts: right 7, wrong 7" in said
    assert "mistakes (3 of 3):" in said and "row 10, " in said and "labelled equal: wrong, identity, lenient" in said
    assert "slowest (1 of 14):\n  row 15, " in said
    assert "\x1b" not in said


def test_mode_and_deadline_reach_the_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "cases.jsonl", case("7", "8", True), case("7", "spin", False))
    assert main([str(path), "--mode", "strict", "--deadline", "0.1", "--mistakes", "0"]) == 0
    said = capsys.readouterr().out
    assert "mode strict" in said and "timed_out, pool, deadline" in said and "mistakes (" not in said
    assert "wrong, identity, strict" in said


def test_solutions_against_their_own_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        tmp_path / "solutions.jsonl",
        {"question": "?", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"},
        {"problem": "?", "solution": r"so $\boxed{\frac{1}{2}}$ and \boxed{a\}{b}} .", "type": "Algebra"},
        {"problem": "?", "solution": r"\boxed{1} then $\boxed 5$", "subject": "Geometry"},
        {"problem": "?", "solution": r"\boxed{1} then \fbox{6}", "answer": "six"},
    )
    cases = read_solutions(path)
    assert [one.gold for one in cases] == ["7", r"a\}{b}", "5", "six"]
    assert [one.type for one in cases] == ["untyped", "Algebra", "Geometry", "untyped"]
    assert all(one.equal for one in cases) and cases[0].text.endswith("#### 7")
    assert main([str(path), "--self-check"]) == 0
    assert "4/4 = 100.00% [51.01%, 100.00%]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "row 2: not JSON: Expecting property name"),
        ("[1]", "row 2: a list, not an object"),
        (case("1", "2", 1), "row 2: 'equal' is int '1', not bool"),
        (case("1", "2", "true"), "row 2: 'equal' is str 'true', not bool"),
        (case("1", "2", None), "row 2: 'equal' is missing; the row has ['equal', 'gold', 'text', 'type']"),
        ({"gold": "1", "equal": True}, "row 2: 'text' is missing; the row has ['equal', 'gold']"),
        ({"gold": 1, "text": "1", "equal": True}, "row 2: 'gold' is int '1', not str"),
    ],
)
def test_bad_rows(row: object, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "cases.jsonl", case("1", "2", True), row)
    assert main([str(path)]) == 2
    assert f"{path} has bad rows:\n{reason}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"answer": "7"}, "row 1: no 'solution', and 'answer' has no '####'"),
        ({"solution": "7"}, r"row 1: no 'answer', and 'solution' has no \boxed"),
        ({"solution": r"\boxed{7"}, r"row 1: the last \boxed of 'solution' is not closed"),
        ({"solution": "7", "answer": None}, "row 1: 'answer' is missing"),
        ({"problem": "7"}, "row 1: 'answer' is missing"),
    ],
)
def test_bad_solutions(row: object, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write(tmp_path / "cases.jsonl", row)), "--self-check"]) == 2
    assert reason in capsys.readouterr().err


def test_many_bad_rows_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write(tmp_path / "cases.jsonl", *["x"] * 15))]) == 2
    said = capsys.readouterr().err
    assert "row 10:" in said and "row 11:" not in said and said.endswith("and 5 more\n")


def test_files_and_options_that_are_no_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "missing.jsonl")]) == 2
    assert "FileNotFoundError" in capsys.readouterr().err
    (tmp_path / "empty.jsonl").write_text("\n\n")
    assert main([str(tmp_path / "empty.jsonl")]) == 2
    (tmp_path / "latin.jsonl").write_bytes(b'{"gold": "\xe9", "text": "1", "equal": true}\n')
    assert main([str(tmp_path / "latin.jsonl")]) == 2
    path = write(tmp_path / "cases.jsonl", case("1", "1", True))
    assert main([str(path), "--deadline", "-1"]) == 2
    assert "deadline_seconds -1.0 must lie above 0" in capsys.readouterr().err
    for wrong in (["--mode", "loose"], ["--slowest", "-1"], ["--slowest", "x"]):
        with pytest.raises(SystemExit, match="2"):
            main([str(path), *wrong])


def test_help_from_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "grpo.rewards.audit", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "--self-check" in done.stdout and "Wilson" in done.stdout
