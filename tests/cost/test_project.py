"""Everything below a run root, each run once, whatever state it was left in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from grpo.cost.arithmetic import load_multiple
from grpo.cost.project import read_past, read_project
from grpo.cost.usage import Usage
from grpo.run.lock import RunLock
from tests.cost.test_ledger import start, work


def run(root: Path, name: str, **files: Any) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    facts = {"config_hash": "c", "created": f"2026-01-01T00:00:00 {name}", "host": "h", "pid": 1}
    (folder / "run.json").write_text(json.dumps(facts))
    if "summary" in files:
        (folder / "summary.json").write_text(json.dumps(files["summary"]))
    for key, file in (("ledger", "cost.jsonl"), ("metrics", "metrics.jsonl")):
        if key in files:
            (folder / file).write_text("".join(json.dumps(line) + "\n" for line in files[key]))
    return folder


def final(hours: float, amount: float | None, currency: str = "USD") -> dict[str, Any]:
    usage = Usage(wall_seconds=3600 * hours, device_hours=hours, tokens_sampled=int(10 * hours), amount=amount)
    return {"currency": currency, "final": usage.entry()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """By hand: finished 1 h, failed 2 h, killed with a ledger 4 h (1 of them lost), killed with metrics only 0.5 h,
    an old finished run 8 h on 2 devices, one in another currency 16 h; and what is none of these."""
    run(tmp_path, "a_finished", summary={"status": "finished", "cost": final(1.0, 2.0)})
    run(tmp_path, "b_failed", summary={"status": "failed", "cost": final(2.0, 4.0)})
    killed = [start(), work("rl", 1, 7200.0), work("rl", 2, 3600.0), start(1), work("rl", 2, 3600.0)]
    run(tmp_path, "c_killed", summary={"status": "running", "cost": final(0.1, 0.2)}, ledger=killed)
    run(tmp_path, "d_no_summary", metrics=[{"step": 1, "stage": "rl", "step_time": 1800.0}])
    old = {"rl": {"wall_seconds": 3600 * 4, "tokens_sampled": 5, "device_hours": 8.0}}
    summary = {"status": "finished", "stages": old, "cost": {"device_hours": 8.0, "currency": "USD"}}
    run(tmp_path, "e_old", summary=summary, metrics=[{"step": 1, "stage": "rl", "step_time": 99.0}])
    run(tmp_path / "ablations", "f_euro", summary={"status": "finished", "cost": final(16.0, 40.0, "EUR")})
    shutil.copytree(tmp_path / "b_failed", tmp_path / "copy_of_b")
    return tmp_path


def test_each_run_once_by_hand(root: Path) -> None:
    found = {run.folder.name: (run.status, run.usage.device_hours) for run in read_project(root).runs}
    assert found == {
        "a_finished": ("finished", 1.0),
        "b_failed": ("failed", 2.0),
        "c_killed": ("killed", 4.0),
        "d_no_summary": ("killed", 0.5),
        "e_old": ("finished", 8.0),
        "f_euro": ("finished", 16.0),
    }


def test_loaded_by_hand(root: Path) -> None:
    own = Usage(wall_seconds=3600.0, device_hours=1.0, amount=2.0, tokens_sampled=10)
    loaded = read_project(root).loaded(own, "running", "USD")
    assert loaded["device_hours"] == 1 + 1 + 2 + 4 + 0.5 + 8 + 16
    assert loaded["wall_seconds"] == 3600 * (1 + 1 + 2 + 4 + 0.5 + 4 + 16)
    assert loaded["amount"] == 2 + 2 + 4 + 8 and loaded["unpriced_device_hours"] == 0.5 + 8 + 16
    assert (loaded["runs"], loaded["finished"], loaded["failed"], loaded["killed"], loaded["running"]) == (
        7,
        3,
        1,
        2,
        1,
    )
    assert loaded["device_hours_by_status"]["killed"] == 4.5
    assert load_multiple(1.0, loaded["device_hours"]) == pytest.approx(31.5)


def test_without_a_price_there_is_no_amount(root: Path) -> None:
    assert read_project(root).loaded(Usage(device_hours=1.0, amount=None), "running", "USD")["amount"] is None


def test_own_run_is_not_counted_twice(root: Path) -> None:
    assert "a_finished" not in {run.folder.name for run in read_project(root, root / "a_finished").runs}


def test_a_run_in_use_is_running(root: Path) -> None:
    with RunLock(root / "c_killed"):
        past = read_past(root / "c_killed")
    assert past is not None and past.status == "running"


def test_foreign_content_is_passed_over(root: Path) -> None:
    before = read_project(root)
    (root / "notes.txt").write_text("x")
    (root / "plots" / "deep" / "er").mkdir(parents=True)
    (root / ".hidden").mkdir()
    shutil.copy(root / "a_finished" / "run.json", root / ".hidden" / "run.json")
    (root / "link").symlink_to(root / "a_finished", target_is_directory=True)
    (root / "link_up").symlink_to(root, target_is_directory=True)
    assert read_project(root).runs == before.runs


def test_damaged_runs_never_raise(root: Path) -> None:
    empty = run(root, "g_empty")
    torn = run(root, "h_torn")
    (torn / "summary.json").write_bytes(b'{"status": "finis\xff')
    (torn / "metrics.jsonl").write_bytes(b'{"step": 1, "stage": "rl", "step_time": 3600.0}\n{"st')
    odd = run(root, "i_odd", summary={"status": "finished", "cost": {"final": {"device_hours": "x"}}, "stages": [3]})
    (odd / "config.yaml").write_text("a: [")
    project = read_project(root)
    found = {run.folder.name: run for run in project.runs}
    assert project.unreadable == 1 and empty.name not in found
    assert found["h_torn"].usage.device_hours == 1.0 and found["i_odd"].usage.device_hours == 0.0


def test_a_missing_root_has_no_runs(tmp_path: Path) -> None:
    assert read_project(tmp_path / "nowhere").runs == ()
