from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
import torch

from grpo.run.checkpoint import load_checkpoint, newest_checkpoint, read_checkpoint, save_checkpoint
from grpo.run.disk import DiskSpaceError
from grpo.run.manifest import DamagedFolderError
from grpo.run.state import PartState


def save(folder, counter, parts, step, **options):
    counter.step = step
    return save_checkpoint(folder, step, parts, {"stage": "rl", "stage_step": step}, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_layout_and_round_trip(tmp_path, counter, parts):
    path = save(tmp_path / "checkpoints", counter, parts, 100)
    assert path == tmp_path / "checkpoints" / "step_000100"
    assert names(path) == ["cursor.json", "cursor.safetensors", "manifest.json", "model.json", "model.safetensors"]
    counter.step = 0
    assert load_checkpoint(path, parts).meta == {"stage": "rl", "stage_step": 100}
    assert counter.step == 100
    assert read_checkpoint(path).step == 100


def test_keeps_the_newest(tmp_path, counter, parts):
    for step in (1, 2, 10, 1_000_000):
        save(tmp_path, counter, parts, step)
    assert names(tmp_path) == ["step_000010", "step_1000000"]
    save(tmp_path, counter, parts, 1_000_001, keep=1)
    assert names(tmp_path) == ["step_1000001"]


def test_empty_and_missing_folder(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        search = newest_checkpoint(folder)
        assert (search.newest, search.rejected) == (None, ())


def test_leftovers_are_never_taken_for_a_checkpoint(tmp_path, counter, parts):
    path = save(tmp_path, counter, parts, 1)
    for name in (".tmp_step_000002", ".old_step_000003", "step_4", "step_000005x"):
        shutil.copytree(path, tmp_path / name)
    assert newest_checkpoint(tmp_path).newest.path == path


def test_same_step_again_replaces(tmp_path, counter, parts):
    save(tmp_path, counter, parts, 5)
    path = save_checkpoint(tmp_path, 5, parts, {"finished": True})
    assert read_checkpoint(path).meta == {"finished": True}
    assert names(tmp_path) == ["step_000005"]


def test_saving_after_a_fallback_leaves_the_abandoned_course(tmp_path, counter, parts):
    for step in (50, 75, 100):
        save(tmp_path, counter, parts, step, keep=3)
    (tmp_path / "step_000100" / "model.json").unlink()
    assert newest_checkpoint(tmp_path).newest.step == 75
    save(tmp_path, counter, parts, 80)
    assert names(tmp_path) == ["step_000075", "step_000080"]
    save(tmp_path, counter, parts, 76, keep=1)
    assert names(tmp_path) == ["step_000076"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_is_refused_and_removes_nothing(tmp_path, counter, parts, bad):
    save(tmp_path, counter, parts, 1, keep=1)
    parts.register("optimizer", SimpleNamespace(state=lambda: PartState({"exp_avg": torch.tensor([1.0, bad])})))
    with pytest.raises(ValueError, match=r"'optimizer': tensor 'exp_avg' has 1 of 2"):
        save(tmp_path, counter, parts, 2, keep=1)
    assert names(tmp_path) == ["step_000001"]
    assert newest_checkpoint(tmp_path).newest.step == 1


def test_values_that_are_not_json_are_refused(tmp_path, counter, parts):
    parts.register("schedule", SimpleNamespace(state=lambda: PartState(values={"betas": (0.9, 0.95)})))
    with pytest.raises(ValueError, match="'schedule'"):
        save(tmp_path, counter, parts, 1)
    with pytest.raises(ValueError, match="meta"):
        save_checkpoint(tmp_path, 1, {}, {"a": (1,)})
    assert names(tmp_path) == []


@pytest.mark.parametrize(("step", "keep"), [(-1, 2), (1, 0)])
def test_bad_numbers_are_refused(tmp_path, parts, step, keep):
    with pytest.raises(ValueError, match="keep"):
        save_checkpoint(tmp_path, step, parts, {}, keep=keep)


def test_other_parts_are_refused_before_any_is_touched(tmp_path, counter, parts):
    path = save(tmp_path, counter, parts, 1)
    counter.step = 9
    with pytest.raises(ValueError, match="cursor"):
        load_checkpoint(path, {"model": counter})
    assert counter.step == 9


def test_too_little_space_is_refused_before_writing(tmp_path, counter, parts, monkeypatch):
    save(tmp_path, counter, parts, 1, keep=1)
    counter.size = 100_000  # 2 parts of 400,000 + 1,600,000 bytes
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4_000_000))
    with pytest.raises(DiskSpaceError, match=r"step_000002 needs 40\d{5} bytes and 4000000 are free"):
        save(tmp_path, counter, parts, 2, keep=1)
    assert names(tmp_path) == ["step_000001"]


def test_renamed_checkpoint_is_damaged(tmp_path, counter, parts):
    path = save(tmp_path, counter, parts, 1)
    for name in ("step_000002", "elsewhere"):
        with pytest.raises(DamagedFolderError, match="manifest of step 1"):
            read_checkpoint(shutil.copytree(path, tmp_path / name))
