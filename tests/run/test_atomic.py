from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.run.atomic import atomic_folder, json_bytes, recover, write_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=50)
@given(PLAIN)
def test_plain_values_come_back_exactly(value):
    raw = json_bytes(value, "value")
    assert repr(json.loads(raw)) == repr(json.loads(json.dumps(value, sort_keys=True)))
    assert json.loads(raw) == value


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, float("nan"), float("inf"), {"a": {3}}, b"x", {"deep": [(1,)]}])
def test_what_json_would_change_is_refused(value):
    with pytest.raises(ValueError, match="schedule"):
        json_bytes(value, "schedule")


def test_write_json_replaces_whole(tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, {"status": "running"})
    with pytest.raises(ValueError):
        write_json(path, {"status": {1, 2}})
    assert json.loads(path.read_text()) == {"status": "running"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]


def test_folder_appears_only_when_complete(tmp_path):
    target = tmp_path / "new" / "model"
    with atomic_folder(target) as folder:
        (folder / "weights").write_text("1")
        assert not target.exists()
    assert (target / "weights").read_text() == "1"
    assert [entry.name for entry in target.parent.iterdir()] == ["model"]


def test_failed_block_leaves_the_old_folder(tmp_path):
    target = tmp_path / "model"
    with atomic_folder(target) as folder:
        (folder / "weights").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as folder:
        (folder / "weights").write_text("new")
        raise KeyboardInterrupt
    assert (target / "weights").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_replacing_leaves_nothing_of_the_old(tmp_path):
    target = tmp_path / "model"
    for names in (["one", "two"], ["three"]):
        with atomic_folder(target) as folder:
            for name in names:
                (folder / name).touch()
    assert [entry.name for entry in target.iterdir()] == ["three"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_old_folder_is_put_back_when_the_new_one_cannot_be_renamed(tmp_path, monkeypatch):
    target = tmp_path / "model"
    with atomic_folder(target) as folder:
        (folder / "weights").write_text("old")
    rename = Path.rename

    def refuse_new(path, other):
        if path.name == ".tmp_model":
            raise OSError("refused")
        return rename(path, other)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(OSError, match="refused"), atomic_folder(target):
        pass
    assert (target / "weights").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_recover_undoes_each_moment_a_kill_can_leave(tmp_path):
    for name in ("a/.tmp_step_000002", "a/step_000001", "b/.old_model", "c/.old_model", "c/model", "d/.tmp_summary"):
        path = tmp_path / name
        path.mkdir(parents=True)
        (path / "origin").write_text(name)
    (tmp_path / ".tmp_summary.json").write_text("{")
    done = recover(tmp_path)
    assert len(done) == 5
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("origin"))
    assert left == ["a/step_000001/origin", "b/model/origin", "c/model/origin"]
    assert (tmp_path / "b/model/origin").read_text() == "b/.old_model"
    assert (tmp_path / "c/model/origin").read_text() == "c/model"
    assert recover(tmp_path) == []


def test_recover_does_not_follow_links(tmp_path):
    outside = tmp_path / "outside"
    (outside / ".tmp_x").mkdir(parents=True)
    run = tmp_path / "run"
    run.mkdir()
    (run / "data").symlink_to(outside)
    (run / ".tmp_link").symlink_to(outside)
    recover(run)
    assert (outside / ".tmp_x").exists()
    assert not (run / ".tmp_link").is_symlink()
