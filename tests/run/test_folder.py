from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from grpo.config.schema import RunConfig
from grpo.run.folder import NOT_HASHED, RunFolder, config_hash, find_resumable, new_run_folder, open_run
from grpo.run.lock import RunLockedError

HASH = config_hash({"seed": 1})


def finish(folder: RunFolder, status: str = "finished") -> None:
    folder.summary_file.write_text(json.dumps({"status": status}))


def make(root, name="run", config=HASH) -> RunFolder:
    folder, lock = new_run_folder(root, name, config)
    lock.release()
    return folder


def test_name_has_date_name_and_id(tmp_path):
    folder, lock = new_run_folder(tmp_path / "runs", "R1 zero/../x", HASH)
    assert folder.path.parent == tmp_path / "runs"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d{6}_R1-zero-..-x_[0-9a-f]{6}", folder.path.name)
    facts = json.loads((folder.path / "run.json").read_text())
    assert (facts["config_hash"], facts["pid"]) == (HASH, os.getpid())
    with pytest.raises(RunLockedError):
        find_resumable(tmp_path / "runs", HASH)
    lock.release()


def test_paths():
    folder = RunFolder(Path("r"))
    assert folder.config_file == Path("r/config.yaml")
    assert folder.metrics_file == Path("r/metrics.jsonl")
    assert folder.summary_file == Path("r/summary.json")
    assert folder.report_file == Path("r/report.html")
    assert folder.log_file == Path("r/run.log")
    folders = (folder.rollouts, folder.checkpoints, folder.stages, folder.model)
    assert [path.name for path in folders] == ["rollouts", "checkpoints", "stages", "model"]
    assert str(folder.stage("rl1")) == "r/stages/rl1"
    for bad in ("../x", "", ".tmp_a", "a/b"):
        with pytest.raises(ValueError, match="stage name"):
            folder.stage(bad)


def test_hash_ignores_order_and_exactly_the_named_keys():
    config = {"seed": 1, "model": {"a": 1, "b": [1, 2]}, "resume": "never", "logger": {"console": True}}
    same = {"logger": {}, "resume": "auto", "model": {"b": [1, 2], "a": 1}, "seed": 1, "run_root": "x", "dry_run": 0}
    assert config_hash(config) == config_hash(same)
    for change in ({"seed": 2}, {"seed": "1"}, {"seed": 1.5}, {"model": {"a": 1, "b": [2, 1]}}, {"name": "x"}):
        assert config_hash(config) != config_hash(config | change)


def test_ignored_keys_exist_in_the_schema():
    assert {item.name for item in fields(RunConfig)} >= NOT_HASHED


def test_newest_unfinished_run_with_the_hash(tmp_path):
    assert find_resumable(tmp_path / "none", HASH) is None
    assert find_resumable(tmp_path, HASH) is None
    older, newer, other = make(tmp_path, "z"), make(tmp_path, "a"), make(tmp_path, config="other")
    (tmp_path / "not a run").mkdir()
    (tmp_path / "file").touch()
    assert find_resumable(tmp_path, HASH) == newer
    finish(newer, "interrupted")
    assert find_resumable(tmp_path, HASH) == newer
    finish(newer)
    assert find_resumable(tmp_path, HASH) == older
    older.summary_file.write_text('{"status": "fin')  # cut off by a kill
    assert find_resumable(tmp_path, HASH) == older
    finish(older)
    assert find_resumable(tmp_path, HASH) is None
    assert find_resumable(tmp_path, "other") == other


def test_never_and_auto(tmp_path):
    first = open_run(tmp_path, "run", HASH, "auto")
    assert not first.resumed
    with pytest.raises(RunLockedError):
        open_run(tmp_path, "run", HASH, "auto")
    first.lock.release()
    leftover = first.folder.checkpoints / ".tmp_step_000003"
    leftover.mkdir(parents=True)
    second = open_run(tmp_path, "run", HASH, "auto")
    assert second.resumed
    assert second.folder == first.folder
    assert str(leftover) in second.recovered[0]
    assert not leftover.exists()
    third = open_run(tmp_path, "run", HASH, "never")
    assert third.folder != first.folder


def test_named_folder(tmp_path):
    folder = make(tmp_path)
    opened = open_run(tmp_path / "elsewhere", "run", HASH, str(folder.path))
    assert opened.folder == folder
    with pytest.raises(RunLockedError):
        open_run(tmp_path, "run", HASH, str(folder.path))
    opened.lock.release()
    with pytest.raises(ValueError, match="another config"):
        open_run(tmp_path, "run", config_hash({"seed": 2}), str(folder.path))
    finish(folder)
    with pytest.raises(ValueError, match="finished run"):
        open_run(tmp_path, "run", HASH, str(folder.path))
    with pytest.raises(ValueError, match="no run folder"):
        open_run(tmp_path, "run", HASH, str(tmp_path))


RACER = """
import sys
from pathlib import Path
from grpo.run.folder import open_run
from grpo.run.lock import RunLockedError
for line in sys.stdin:
    root = Path(line.strip())
    try:
        opened = open_run(root, "run", "hash", "auto")
        print(opened.folder.path, flush=True)
    except RunLockedError as error:
        print("locked", flush=True)
"""


def test_auto_started_twice_at_once_never_shares_a_folder(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    racers = [subprocess.Popen([sys.executable, "-c", RACER], **pipes) for _ in range(2)]
    try:
        for index in range(20):
            root = tmp_path / str(index)
            unfinished = make(root, config="hash") if index % 2 else None
            for racer in racers:
                racer.stdin.write(f"{root}\n")
                racer.stdin.flush()
            answers = [racer.stdout.readline().strip() for racer in racers]
            folders = [answer for answer in answers if answer != "locked"]
            assert len(set(folders)) == len(folders) >= 1
            if unfinished is not None:
                assert sorted(answers) == sorted(["locked", str(unfinished.path)])
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()
