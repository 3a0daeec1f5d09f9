"""The training loop's one door to the outside: console, files, dashboards."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grpo.config.slices import LoggerConfig
from grpo.track.console import Console
from grpo.track.cut import METRICS_FILE, ROLLOUTS_FOLDER, cut_after
from grpo.track.jsonl import AppendFile, MetricsFile
from grpo.track.records import RolloutRecord
from grpo.track.redact import environment_secrets, redact, redact_text
from grpo.track.rollouts import RolloutFiles
from grpo.track.writer import RunHeader, StageStart, Writer
from grpo.types import StepMetrics

RUN_LOG = "run.log"


class RunLog(Writer):
    """`run.log`: dated lines for a person, secrets removed."""

    def __init__(self, path: Path, secrets: tuple[str, ...]) -> None:
        self._file = AppendFile(path)
        self._secrets = secrets

    def log(self, metrics: StepMetrics) -> None:
        """Metrics go elsewhere."""

    def stage_started(self, start: StageStart) -> None:
        self.message(f"stage {start.name} ({start.kind}): {start.steps} steps, {start.done_steps} done before")

    def message(self, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        line = f"{stamp} {redact_text(text, self._secrets)}\n"
        self._file.append(line.encode("utf-8", "backslashreplace"))

    def close(self, status: str) -> None:
        self.message(f"run {status}")
        self._file.close()


class Tracker:
    """Fans out to writers, in order. `Tracker(())` keeps quiet: for the ranks that do not report."""

    def __init__(self, writers: Sequence[Writer], rollouts_every: int = 0) -> None:
        self._writers = tuple(writers)
        self._rollouts_every = rollouts_every
        self._closed = False

    def stage_started(self, name: str, kind: str, steps: int, done_steps: int = 0) -> None:
        """A stage begins, or goes on with `done_steps` behind it."""
        for writer in self._writers:
            writer.stage_started(StageStart(name=name, kind=kind, steps=steps, done_steps=done_steps))

    def log(self, metrics: StepMetrics) -> None:
        """Write one step's metrics; in `metrics.jsonl` before this returns. Raises OSError when the disk is full."""
        for writer in self._writers:
            writer.log(metrics)

    def wants_groups(self, step: int) -> bool:
        """Whether `log_groups` writes this step: saves decoding text that nobody keeps."""
        return self._rollouts_every > 0 and step % self._rollouts_every == 0

    def log_groups(self, record: RolloutRecord) -> None:
        """Write one step's rollouts, if `wants_groups`."""
        if self.wants_groups(record.step):
            for writer in self._writers:
                writer.log_groups(record)

    def message(self, text: str) -> None:
        """A line for a person: console (when it is on) and `run.log`."""
        for writer in self._writers:
            writer.message(text)

    def close(self, status: str) -> None:
        """Finish every writer within a bounded time; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        for writer in self._writers:
            writer.close(status)


def open_tracker(
    folder: Path, config: LoggerConfig, run_name: str, resolved: dict[str, Any], resume_step: int | None
) -> Tracker:
    """Open a run folder's files and the dashboards that `config` asks for.

    `resume_step` None: a new run; else everything past that step is cut from metrics and rollouts first.
    Raises ValueError on a new run in a folder that has metrics, and on a dashboard whose package is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check(folder, config, resume_step)
    cut = cut_after(folder, resume_step) if resume_step is not None else None
    secrets = environment_secrets()
    run_log = RunLog(folder / RUN_LOG, secrets)
    header = RunHeader(folder=folder, run_name=run_name, config=redact(resolved, secrets), resume_step=resume_step)
    writers: list[Writer] = [MetricsFile(folder / METRICS_FILE)]
    if config.file.rollouts_every > 0:
        writers.append(RolloutFiles(folder / ROLLOUTS_FOLDER))
    if config.console:
        writers.append(Console())
    writers += _dashboards(config, header, run_log)
    tracker = Tracker([*writers, run_log], config.file.rollouts_every)
    if cut is not None:
        tracker.message(
            f"resumed after step {resume_step}: took back {cut.metric_lines} metric lines, "
            f"{cut.torn_lines} torn lines and {cut.rollout_files} rollout files"
        )
    return tracker


def _check(folder: Path, config: LoggerConfig, resume_step: int | None) -> None:
    if config.file.rollouts_every < 0:
        raise ValueError(f"logger.file.rollouts_every is {config.file.rollouts_every}; it must be 0 (never) or more")
    metrics = folder / METRICS_FILE
    if resume_step is None and metrics.exists() and metrics.stat().st_size > 0:
        raise ValueError(f"{folder} already has metrics of another run; start in a new folder or resume it")
    if config.tensorboard:
        require("tensorboard")
    if config.wandb.enabled:
        require("wandb")


def require(package: str) -> None:
    """Raise ValueError with what to install when a dashboard's package is missing."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"the {package} logger is on but the package is not installed: pip install -e .[{package}]")


def _dashboards(config: LoggerConfig, header: RunHeader, run_log: RunLog) -> list[Writer]:
    found: list[Writer] = []
    if config.tensorboard:
        from grpo.track.tensorboard_writer import TensorBoardWriter

        found.append(TensorBoardWriter(header))
    if config.wandb.enabled:
        from grpo.track.wandb_writer import WandbWriter

        found.append(WandbWriter(header, config.wandb.project, run_log.message))
    return found
