"""Weights & Biases, at arm's length: whatever it does, the run goes on.

Every call is made in a daemon thread behind a bounded queue. A slow or unreachable server costs
metrics there (counted), never a step here; `metrics.jsonl` has them all.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grpo.track.writer import RunHeader, Writer
from grpo.types import StepMetrics

SERVICE_PROCESS = "wandb-core"
_NOT_IN_RUN_ID = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_RUN_ID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WandbLimits:
    """Waits in seconds, the queue's length in steps."""

    init_seconds: float = 60.0
    finish_seconds: float = 20.0
    poll_seconds: float = 0.2
    queued_steps: int = 1024


class WandbWriter(Writer):
    """`report` gets one line when something goes wrong; raises ValueError when the package cannot be imported."""

    def __init__(
        self, header: RunHeader, project: str, report: Callable[[str], None], limits: WandbLimits | None = None
    ) -> None:
        self._module = _import_wandb()
        self._header, self._project, self._report_line = header, project, report
        self._limits = limits or WandbLimits()
        self._queue: queue.Queue[StepMetrics] = queue.Queue(self._limits.queued_steps)
        self._dropped = 0
        self._status = "failed"
        self._closing = threading.Event()
        self._disabled = False
        self._given_up = False
        self._report_lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="wandb-writer", daemon=True)
        self._thread.start()

    def log(self, metrics: StepMetrics) -> None:
        if self._disabled:
            return
        try:
            self._queue.put_nowait(metrics)
        except queue.Full:
            self._dropped += 1

    def close(self, status: str) -> None:
        self._status = status
        self._closing.set()
        self._thread.join(self._limits.finish_seconds)
        if self._dropped:
            self._report(f"wandb: {self._dropped} steps dropped because it could not keep up")
        if self._thread.is_alive():
            self._report(
                f"wandb: not finished after {self._limits.finish_seconds:g} s, given up; "
                f"metrics.jsonl has every step, `wandb sync` may send what is in {self._header.folder}/wandb"
            )
            with self._report_lock:
                self._given_up = True
            _end_service()

    def _work(self) -> None:
        try:
            run = self._init()
            while (metrics := self._next()) is not None:
                run.log(dict(metrics.values) | {"stage_step": metrics.stage_step}, step=metrics.step)
            run.finish(exit_code=0 if self._status == "finished" else 1)
        except BaseException as error:  # the thread's outermost frame: nothing of wandb may reach the run
            self._disabled = True
            self._report(f"wandb: disabled after {type(error).__name__}: {error}")

    def _init(self) -> Any:
        quiet = self._module.Settings(
            console="off",
            silent=True,
            init_timeout=self._limits.init_seconds,
            finish_timeout=self._limits.finish_seconds,
        )
        self._module.setup(settings=quiet)
        run_id = _NOT_IN_RUN_ID.sub("-", self._header.folder.resolve().name)[-_LONGEST_RUN_ID:]
        return self._module.init(
            project=self._project,
            name=self._header.run_name,
            id=run_id,
            resume="allow",
            dir=str(self._header.folder),
            config=self._header.config,
            mode=wandb_mode(os.environ),
            settings=quiet,
        )

    def _next(self) -> StepMetrics | None:
        """The next step; None once the queue is empty and the run is over."""
        while True:
            try:
                return self._queue.get(timeout=self._limits.poll_seconds)
            except queue.Empty:
                if self._closing.is_set():
                    return None

    def _report(self, text: str) -> None:
        with self._report_lock:
            if not self._given_up:
                self._report_line(text)


def wandb_mode(environment: Mapping[str, str]) -> str | None:
    """None leaves `WANDB_MODE` to decide; without it: online with a key in the environment, else offline."""
    if environment.get("WANDB_MODE"):
        return None
    return "online" if environment.get("WANDB_API_KEY") else "offline"


def _import_wandb() -> Any:
    try:
        return importlib.import_module("wandb")
    except ImportError as error:
        raise ValueError(
            f"the wandb logger is on but wandb cannot be imported ({error}): pip install -e .[wandb]"
        ) from error


def _end_service() -> None:
    """End wandb's helper process: its exit hook would otherwise hold this process for as long as it retries."""
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:
        return
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if child.name().startswith(SERVICE_PROCESS):
                child.terminate()
