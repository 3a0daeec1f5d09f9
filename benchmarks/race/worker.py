"""`python -m benchmarks.race.worker JSON`: one run of one side in a process of its own, its result in a file."""

from __future__ import annotations

import importlib
import json
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.learning.finished import keep
from benchmarks.learning.task import TaskSizes
from benchmarks.race.course import Course, HeldOut, steady
from grpo.config.load import load_config
from grpo.data.load import load_split

SIDES = {"ours": "benchmarks.race.ours", "vllm": "benchmarks.race.ours", "trl": "benchmarks.race.trl_side"}
"""Side → the module that runs it; imported when asked for, since TRL and vLLM are heavy."""


def main(arguments: list[str]) -> int:
    order = json.loads(arguments[0])
    request, file = order["request"], Path(order["file"])
    torch.set_num_threads(request["threads"])
    torch.manual_seed(request["seed"])
    sizes = TaskSizes(**request["sizes"])
    with tempfile.TemporaryDirectory() as place:
        data = load_config(sizes.overrides(request["seed"], request["threads"])).data
        problems = load_split(data, "held_out")[: sizes.held_out]
        held_out = HeldOut(Path(request["model"]), problems, sizes.max_tokens, Path(place) / "held_out.log")
        course = Course(held_out, request["evaluate_at"], steady)
        side = importlib.import_module(SIDES[request["side"]])
        side.run(request, course, Path(place) / "run")
    keep(file, request, found_by(course))
    return 0


def found_by(course: Course) -> dict[str, Any]:
    """The result file's figures."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return course.found() | {"peak_rss_bytes": peak}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
