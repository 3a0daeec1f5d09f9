"""C sources compiled at first use: reused, refused, private."""

from __future__ import annotations

import ctypes
import stat
from pathlib import Path

import pytest

from grpo.kernels import native
from grpo.kernels.native import NativeError, cache_folder, load_native

FEATURE = "anything"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of one function, a processor that can run it, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(native, "processor_flags", lambda: frozenset({FEATURE}))
    if native.find_compiler() is None:
        pytest.skip("no C compiler on this machine")
    path = tmp_path / "twice.c"
    path.write_text("int twice(int x) { return 2 * x; }\n")
    return path


def twice(source: Path) -> int:
    function = load_native(source, FEATURE).twice
    function.argtypes, function.restype = [ctypes.c_int], ctypes.c_int
    return int(function(21))


def test_compiled_once_and_again_when_the_source_changes(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert twice(source) == 42
    [first] = cache_folder().iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(native, "_compile", lambda *_: pytest.fail("compiled again"))
        assert twice(source) == 42
    source.write_text("int twice(int x) { return 4 * x; }\n")
    assert twice(source) == 84
    assert len(list(cache_folder().iterdir())) == 2 and first.exists()


def test_the_cache_is_the_users_own(source: Path) -> None:
    assert twice(source) == 42
    assert stat.S_IMODE(cache_folder().stat().st_mode) == 0o700


def test_what_cannot_be_is_said(source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(NativeError, match="the processor has no avx9000"):
        load_native(source, "avx9000")
    source.write_text("not C")
    with pytest.raises(NativeError, match=r"-march=native .*failed"):
        load_native(source, FEATURE)
    assert list(cache_folder().iterdir()) == [], "nothing half made is left"
    monkeypatch.setenv("CC", str(tmp_path / "absent"))
    with pytest.raises(NativeError, match="absent could not be run"):
        load_native(source, FEATURE)
    monkeypatch.delenv("CC")
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(NativeError, match="no C compiler"):
        load_native(source, FEATURE)


def test_somebody_elses_cache_is_refused(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: -1)
    with pytest.raises(NativeError, match="belongs to another user"):
        cache_folder()
