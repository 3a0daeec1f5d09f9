"""Runs of a learning benchmark, each in a process of one thread, and the process's side of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.learning.finished import finished, keep, keep_failure
from benchmarks.learning.places import ONE_THREAD
from benchmarks.learning.requests import Request, request_from
from benchmarks.memory import ROOT
from grpo.config.errors import ConfigError

RUN_SECONDS = 3600
FAILURES = (ConfigError, RuntimeError, ValueError, OSError)


class Runner:
    """Runs what is not finished, `workers` runs at a time; called from as many threads as one likes."""

    def __init__(self, module: str, workers: int, work: Path, deadline: float) -> None:
        """`module`: the worker's, called with `order`; `deadline`: of `time.monotonic`, past it no run begins."""
        self.module, self.work, self.deadline = module, work, deadline
        self._slots = threading.Semaphore(workers)

    def found(self, request: Request) -> dict[str, Any] | None:
        """A finished result; None when there is none, or a model that the run was to leave is gone."""
        whole = not request.keeps or request.model(self.work).exists()
        return finished(request.file(self.work), request.as_json()) if whole else None

    def __call__(self, request: Request) -> dict[str, Any] | None:
        """The result, of now or of an earlier start; None when the run failed or may not begin any more."""
        if self.found(request) is None:
            with self._slots:
                self._run(request)
        return self.found(request)

    def together(self, requests: Sequence[Request]) -> None:
        """All of them, in their order as slots become free."""
        with ThreadPoolExecutor(max(1, len(requests))) as pool:
            list(pool.map(self, requests))

    def _run(self, request: Request) -> None:
        if time.monotonic() > self.deadline:
            return
        begun = time.perf_counter()
        order = json.dumps({"request": request.as_json(), "work": str(self.work.resolve())})
        folder = self.work / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with (folder / f"{request.name}.log").open("wb") as log:
                subprocess.run(
                    [sys.executable, "-m", self.module, order],
                    cwd=ROOT,
                    env=os.environ | ONE_THREAD,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=RUN_SECONDS,
                    check=False,  # the worker has written down why
                )
        except subprocess.TimeoutExpired as error:
            keep_failure(request.file(self.work), request.as_json(), f"TimeoutExpired: {error.timeout} s")
        state = "failed" if self.found(request) is None else "done"
        print(f"{request.name}: {state} in {time.perf_counter() - begun:.0f} s", flush=True)


Measure = Callable[[Request, Path, Path], dict[str, Any]]
"""(request, work folder, folder for the run) → the result file's figures."""


def work_off(order: str, measured: Measure) -> int:
    """A worker's whole program: run and write the result, or why there is none; 1 then."""
    values = json.loads(order)
    request, work = request_from(values["request"]), Path(values["work"])
    root = work / "runs" / request.name
    shutil.rmtree(root, ignore_errors=True)
    try:
        keep(request.file(work), request.as_json(), measured(request, work, root))
    except FAILURES as error:
        traceback.print_exc()
        keep_failure(request.file(work), request.as_json(), f"{type(error).__name__}: {error}")
        return 1
    shutil.rmtree(root)
    return 0
