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
from pathlib import Path
from typing import Any

import torch

from benchmarks.memory import peak_bytes
from benchmarks.sampling import measure_engine
from benchmarks.update import PASSES, compare
from benchmarks.workload import CASES, QUICK, Sizes, scratch_model
from grpo.doctor import installed
from grpo.rollouts.engine import EngineError
from grpo.run.summary import git_commit
from grpo.update.policy import Policy

ENGINES = ("transformers", "vllm")
"""vLLM last: it changes this process's threads."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if one is named; 1 when an engine could not be measured, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed and memory on this machine.")
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not a result")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write every figure")
    options = parser.parse_args(arguments)
    record = measure(QUICK if options.quick else Sizes(), ENGINES)
    print("\n".join(table(record)))
    if options.out:
        options.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return int(any("error" in entry for entry in record["sampling"].values()))


def measure(sizes: Sizes, engines: Sequence[str], *, memory: bool = True) -> dict[str, Any]:
    """Everything, as the JSON file has it. An engine that cannot start gives its `error` in place of figures."""
    record = facts(sizes)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        loaded = scratch_model(folder, sizes.seed)
        record["shapes"]["parameters"] = loaded.model.num_parameters()
        record["update"] = {name: compare(Policy(loaded.model), case, sizes) for name, case in CASES.items()}
        for case in CASES if memory else ():
            record["update"][case]["peak_bytes"] = {name: peak_bytes(name, case, sizes) for name in PASSES}
        record["sampling"] = {}
        for name in engines:
            try:
                record["sampling"][name] = measure_engine(name, loaded, folder, sizes)
            except EngineError as error:
                record["sampling"][name] = {"error": str(error)}
    return record


def facts(sizes: Sizes) -> dict[str, Any]:
    """Where and with what: without these a figure means nothing."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    return {
        "device": {"name": name, "cores": len(os.sched_getaffinity(0)), "threads": torch.get_num_threads()},
        "versions": {"python": platform.python_version()} | installed(),
        "commit": git_commit(),
        "seed": sizes.seed,
        "shapes": asdict(sizes) | {"cases": {name: asdict(case) for name, case in CASES.items()}},
    }


def table(record: dict[str, Any]) -> Iterator[str]:
    """The figures a person looks for first."""
    device, shapes = record["device"], record["shapes"]
    yield f"{device['name']}, {device['cores']} cores, {device['threads']} threads, commit {record['commit']}"
    yield f"{shapes['parameters']:,} parameters, {shapes['prompts']} prompts x {shapes['completions']} completions"
    titles = f"{'packed tok/s':>14}{'padded tok/s':>14}{'speed-up':>12}{'packed MiB':>12}{'padded MiB':>12}"
    yield f"\n{'update':<14}{titles}"
    for name, row in record["update"].items():
        rates = "".join(f"{row['tokens_per_second'][one]:>14,.0f}" for one in PASSES)
        peaks = "".join(f"{peak / 2**20:>12,.0f}" for peak in row.get("peak_bytes", {}).values())
        yield f"{name:<14}{rates}{row['speedup_of_packing']:>12.2f}{peaks}"
    yield f"\n{'sampling':<14}{'tok/s':>14}{'first call s':>14}{'update ms':>12}{'+ probe ms':>12}"
    for name, row in record["sampling"].items():
        if "error" in row:
            yield f"{name:<14}  {row['error']}"
            continue
        sync = f"{1000 * row['weight_update_seconds']:>12.1f}{1000 * row['update_and_probe_seconds']:>12.1f}"
        yield f"{name:<14}{row['tokens_per_second']:>14,.0f}{row['first_call_seconds']:>14.1f}{sync}"


if __name__ == "__main__":
    sys.exit(main())
