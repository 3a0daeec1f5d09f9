"""Where a learning benchmark puts what it finds, and how its records are printed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.memory import ROOT
from benchmarks.record import RESULTS

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""Environment of a worker that shares the machine with others."""


def settle_places(options: argparse.Namespace, name: str, work: str, picture: Path | None = None) -> None:
    """Fill in `options.work`, `.out` and, where there is one, `.picture`: a quick look never touches the results."""
    options.work = options.work or ROOT / "runs" / (f"{work}_quick" if options.quick else work)
    official = options.out is None and not options.quick
    if options.out is None:
        options.out = (options.work if options.quick else RESULTS) / f"{name}.json"
    if picture is not None:
        options.picture = picture if official else options.out.with_suffix(".svg")


def spread(found: Mapping[str, Any]) -> str:
    """`0.412 to 0.488`; nothing for a single seed."""
    return "" if found["ci95"] is None else f"{found['ci95'][0]:.3f} to {found['ci95'][1]:.3f}"
