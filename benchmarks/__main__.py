"""`python -m benchmarks [--quick] [--out FOLDER]`: every benchmark after the other, each in a process of its own."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.record import RESULTS

FULL = {
    "head-cpu": ("benchmarks.head",),
    "update-0.1B-float32-cpu": ("benchmarks.update", "--cases", "main,short_prompt,equal"),
    "update-0.1B-bfloat16-cpu": ("benchmarks.update", "--dtype", "bfloat16"),
    "update-0.5B-bfloat16-cpu": ("benchmarks.update", "--model", "0.5B", "--dtype", "bfloat16", "--repeats", "1",
                                 "--one-by-one"),
    "sampling-cpu": ("benchmarks.sampling",),
}  # fmt: skip
QUICK = {
    "head-cpu": ("benchmarks.head", "--hidden", "64", "--vocab", "4096", "--tokens", "256", "--repeats", "3"),
    "update-tiny-float32-cpu": ("benchmarks.update", "--model", "tiny", "--cases", "tiny", "--repeats", "3"),
    "sampling-cpu": ("benchmarks.sampling", "--quick"),
}
"""A look at whether everything runs; its figures mean nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run them all; 1 when one of them missed a bar or failed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not a result")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FOLDER", help="where the JSON files go")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    codes = []
    for name, command in (QUICK if options.quick else FULL).items():
        print(f"\n{' '.join(command)}", flush=True)
        out = ("--out", str(options.out / f"{name}.json"))
        codes.append(subprocess.run([sys.executable, "-m", *command, *out], check=False).returncode)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
