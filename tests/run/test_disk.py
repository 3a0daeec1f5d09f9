from __future__ import annotations

import errno
import shutil
from types import SimpleNamespace

import pytest

from grpo.run.disk import DiskSpaceError, free_bytes, require_free_bytes


@pytest.fixture
def thousand_bytes_free(monkeypatch):
    asked = []
    monkeypatch.setattr(shutil, "disk_usage", lambda path: asked.append(path) or SimpleNamespace(free=1000))
    return asked


def test_free_space_of_a_path_that_does_not_exist_yet(tmp_path, thousand_bytes_free):
    assert free_bytes(tmp_path / "not" / "there") == 1000
    assert thousand_bytes_free == [tmp_path]


def test_exactly_enough_is_enough(tmp_path, thousand_bytes_free):
    require_free_bytes(tmp_path, 1000)
    with pytest.raises(DiskSpaceError, match="needs 1001 bytes and 1000 are free") as caught:
        require_free_bytes(tmp_path / "model", 1001)
    assert str(tmp_path / "model") in str(caught.value)
    assert caught.value.errno == errno.ENOSPC
