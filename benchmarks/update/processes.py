"""The parent's end of a worker: start it, ask for steps, end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.memory import MEASURED_WITH, ROOT
from benchmarks.update.workload import Shared

Setting = dict[str, int | str]
"""What one side may choose for itself."""


class Worker:
    """A context manager around one `benchmarks.update.worker`."""

    def __init__(self, request: dict[str, Any], *, for_memory: bool, seconds: float) -> None:
        """`for_memory` makes glibc give freed blocks back at once; `seconds`: the longest wait for one answer."""
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  closed with the worker
        self._seconds = seconds
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.update.worker", json.dumps(request)],
            cwd=ROOT,
            env=os.environ | (MEASURED_WITH if for_memory else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.close()
            self._process.wait(timeout=60)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def wait_until_ready(self) -> None:
        self._answer()

    def step(self, **order: Any) -> dict[str, Any]:
        """One optimizer step. Raises RuntimeError with the worker's last words when it ends or hangs."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": "step"} | order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail("ended")
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        alarm = threading.Timer(self._seconds, self._process.kill)
        alarm.start()
        line = self._process.stdout.readline()
        alarm.cancel()
        if not line:
            self._fail(f"gave no answer within {self._seconds:g} s, or ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _fail(self, what: str) -> None:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._errors.seek(0)
        raise RuntimeError(f"the worker {what} (exit code {code}): {self._errors.read().strip()[-600:]}")


def request_for(side: str, setting: Setting, shared: Shared, folder: Path) -> dict[str, Any]:
    """What a worker needs; `folder` holds the model and the rollout."""
    return {
        "side": side,
        "setting": setting,
        "shared": asdict(shared),
        "model": str(folder / "model"),
        "rollout": str(folder / "rollout.json"),
    }
