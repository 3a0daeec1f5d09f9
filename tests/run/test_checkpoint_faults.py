"""Damage, kills and full disks: what is loaded is always one complete state."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from grpo.run import atomic, checkpoint, manifest, tensors
from grpo.run.atomic import recover
from grpo.run.checkpoint import CheckpointError, load_checkpoint, newest_checkpoint, save_checkpoint
from grpo.run.manifest import DamagedFolderError
from grpo.run.tensors import read_tensors


def save(folder, counter, parts, step, **options):
    counter.step = step
    return save_checkpoint(folder, step, parts, {"step": step}, **options)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def truncate(folder: Path, other: Path, draw: random.Random) -> None:
    path = draw.choice(sorted(folder.iterdir()))
    os.truncate(path, draw.randrange(path.stat().st_size))


def flip_bit(folder: Path, other: Path, draw: random.Random) -> None:
    path = draw.choice(sorted(folder.iterdir()))
    raw = bytearray(path.read_bytes())
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    path.write_bytes(raw)


def delete(folder: Path, other: Path, draw: random.Random) -> None:
    draw.choice(sorted(folder.iterdir())).unlink()


def mix(folder: Path, other: Path, draw: random.Random) -> None:
    """A part, or the manifest, of another step."""
    name = draw.choice(sorted(path.name for path in folder.iterdir()))
    shutil.copy(other / name, folder / name)


def append(folder: Path, other: Path, draw: random.Random) -> None:
    with draw.choice(sorted(folder.iterdir())).open("ab") as file:
        file.write(draw.choice([b"\n", b" ", b"\0", b"{}"]))


def add(folder: Path, other: Path, draw: random.Random) -> None:
    shutil.copy(other / "model.safetensors", folder / "model-00002.safetensors")


def link(folder: Path, other: Path, draw: random.Random) -> None:
    path = draw.choice([path for path in sorted(folder.iterdir()) if path.name != "manifest.json"])
    moved = folder.parent / f"elsewhere_{path.name}"
    path.rename(moved)
    path.symlink_to(moved)


FAULTS = [truncate, flip_bit, delete, mix, append, add, link]


@pytest.mark.parametrize("count", [105, pytest.param(500, marks=pytest.mark.slow)])
def test_every_fault_is_detected_and_the_previous_checkpoint_taken(tmp_path, counter, parts, count):
    for step in (1, 2):
        save(tmp_path / "clean", counter, parts, step)
    for index in range(count):
        draw = random.Random(index)
        folder = tmp_path / str(index)
        shutil.copytree(tmp_path / "clean", folder)
        fault = FAULTS[index % len(FAULTS)]
        fault(folder / "step_000002", folder / "step_000001", draw)
        search = newest_checkpoint(folder)
        assert search.newest is not None, (fault.__name__, index)
        assert search.newest.step == 1, (fault.__name__, index)
        assert len(search.rejected) == 1
        assert search.rejected[0].startswith("step_000002 is damaged: "), search.rejected
        with pytest.raises(DamagedFolderError):
            load_checkpoint(folder / "step_000002", parts)
        shutil.rmtree(folder)


def test_safetensors_alone_would_accept_a_flipped_bit(tmp_path, counter, parts):
    path = save(tmp_path, counter, parts, 2) / "model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert not bool((read_tensors(path)["first"] == 2).all())


@pytest.mark.parametrize("tail", [b"\n", b" "])
def test_manifest_is_checked_to_the_last_byte(tmp_path, counter, parts, tail):
    path = save(tmp_path, counter, parts, 1)
    with (path / "manifest.json").open("ab") as file:
        file.write(tail)
    with pytest.raises(DamagedFolderError, match="changed after it was written"):
        load_checkpoint(path, parts)


def kill_a_saving_process(folder: Path, counter, parts, steps: Iterable[int], seconds: float) -> None:
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        for step in steps:
            save(folder, counter, parts, step)
        os._exit(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_at_any_moment_a_complete_checkpoint_is_newest(tmp_path, counter, parts, kills):
    counter.size = 4000
    draw = random.Random(0)
    save(tmp_path, counter, parts, 0)
    caught_inside = 0
    reached = 0
    for _ in range(kills):
        kill_a_saving_process(tmp_path, counter, parts, itertools.count(reached + 1), draw.uniform(0.02, 0.06))
        caught_inside += bool(recover(tmp_path))
        assert all(path.name.startswith("step_") for path in tmp_path.iterdir())
        search = newest_checkpoint(tmp_path)
        assert search.rejected == ()
        assert search.newest is not None
        assert search.newest.step >= reached
        assert load_checkpoint(search.newest.path, parts).meta == {"step": search.newest.step}
        assert counter.step == search.newest.step
        reached = search.newest.step
    assert caught_inside, "no kill hit a save: the test proves nothing"
    assert reached > 0


@pytest.mark.parametrize("kills", [15, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_while_the_only_checkpoint_is_replaced(tmp_path, counter, parts, kills):
    save(tmp_path, counter, parts, 5)
    draw = random.Random(1)
    for _ in range(kills):
        kill_a_saving_process(tmp_path, counter, parts, itertools.repeat(5), draw.uniform(0.01, 0.03))
        recover(tmp_path)
        search = newest_checkpoint(tmp_path)
        assert search.newest is not None
        assert (search.newest.step, search.rejected) == (5, ())


class Disk:
    """Lets `left` write operations through, then every one fails as on a full disk."""

    def __init__(self, left: int) -> None:
        self.left = left

    def guard(self, operation, error):
        """`operation`, which on a full disk leaves half a file where it was to write one."""

        def guarded(*arguments, **options):
            self.left -= 1
            if self.left < 0:
                for argument in arguments:
                    if isinstance(argument, Path) and argument.suffix in (".json", ".safetensors"):
                        argument.write_bytes(b"half")
                raise error
            return operation(*arguments, **options)

        return guarded


def fill_after(monkeypatch, left: int) -> None:
    disk = Disk(left)
    full = OSError(errno.ENOSPC, "No space left on device")
    for module in (checkpoint, manifest):
        monkeypatch.setattr(module, "write_bytes", disk.guard(atomic.write_bytes, full))
    for module in (atomic, tensors):
        monkeypatch.setattr(module, "flush_to_disk", disk.guard(atomic.flush_to_disk, full))
    monkeypatch.setattr(tensors, "save_file", disk.guard(tensors.save_file, SafetensorError("I/O error: No space")))
    monkeypatch.setattr(Path, "mkdir", disk.guard(Path.mkdir, full))
    monkeypatch.setattr(Path, "rename", disk.guard(Path.rename, full))


def test_disk_full_at_every_operation_of_a_save(tmp_path, counter, parts, monkeypatch):
    save(tmp_path, counter, parts, 1)
    before = digests(tmp_path / "step_000001")
    failures = 0
    while True:
        with monkeypatch.context() as patch:
            fill_after(patch, failures)
            try:
                save(tmp_path, counter, parts, 2)
            except CheckpointError as error:
                assert "step_000002" in str(error)
                assert "bytes" in str(error)
            else:
                break
        assert digests(tmp_path / "step_000001") == before
        search = newest_checkpoint(tmp_path)
        assert search.rejected == ()
        assert search.newest is not None
        load_checkpoint(search.newest.path, parts)
        assert counter.step == search.newest.step
        if search.newest.step == 1:
            assert [path.name for path in tmp_path.iterdir()] == ["step_000001"]
        failures += 1
    assert failures >= 13  # folders, 2 tensor files, 2 JSON files, manifest, flushes, rename
    assert newest_checkpoint(tmp_path).newest.step == 2


@pytest.mark.parametrize("left", range(20))
def test_disk_full_while_the_only_checkpoint_is_replaced(tmp_path, counter, parts, monkeypatch, left):
    save(tmp_path, counter, parts, 5)
    with monkeypatch.context() as patch:
        fill_after(patch, left)
        with contextlib.suppress(CheckpointError):
            save(tmp_path, counter, parts, 5)
    recover(tmp_path)  # renames stop working too, so that the old one may have to be put back at the next start
    search = newest_checkpoint(tmp_path)
    assert search.newest is not None
    assert (search.newest.step, search.rejected) == (5, ())


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_really_full_disk_at_every_page(small_disk, counter, parts, monkeypatch):
    monkeypatch.setattr(checkpoint, "require_free_bytes", lambda path, needed: None)
    counter.size = 2000
    save(small_disk, counter, parts, 1)
    before = digests(small_disk / "step_000001")
    page = os.sysconf("SC_PAGE_SIZE")
    failed = 0
    for pages in range(200):
        ballast = small_disk / "ballast"
        ballast.unlink(missing_ok=True)
        ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - pages * page))
        try:
            save(small_disk, counter, parts, 2)
            break
        except CheckpointError as error:
            assert "No space left" in str(error)
            failed += 1
        assert digests(small_disk / "step_000001") == before
        assert sorted(path.name for path in small_disk.iterdir()) == ["ballast", "step_000001"]
        assert newest_checkpoint(small_disk).newest.step == 1
    assert failed >= 20  # two parts of 40,000 bytes
    assert newest_checkpoint(small_disk).newest.step == 2
