"""The process a rival's memory is measured in: `python -m benchmarks.head.child REQUEST`, answer on stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from benchmarks.head.measure import load_problem, memory_of
from benchmarks.head.rivals import RIVALS


def main(request: dict[str, str]) -> None:
    torch.set_num_threads(int(request["threads"]))
    rival = next(rival for rival in RIVALS if rival.name == request["rival"])
    print(json.dumps(memory_of(rival, load_problem(Path(request["problem"])))))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
