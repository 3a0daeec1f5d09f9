"""`grpo -m`: one run per combination of values, each in a process of its own, one after the other."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from grpo.cli.arguments import Arguments
from grpo.config.check import check
from grpo.config.errors import ConfigError
from grpo.config.load import ConfigSource, from_yaml, load_config
from grpo.config.overrides import expand
from grpo.config.schema import RunConfig

STOPPED = 130
"""Exit code of a sweep that a signal ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run of a sweep."""

    overrides: tuple[str, ...]
    config: RunConfig


class Supervisor:
    """Runs one child at a time and hands the signals it gets on to it; after the first no further child starts."""

    def __init__(self) -> None:
        self.stopped = False
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, command: Sequence[str]) -> int:
        """Exit code of the command; waits as long as it takes."""
        # A group of its own: Ctrl-C then reaches the child once, through `on_signal`, and not twice.
        self._child = subprocess.Popen(command, process_group=0)
        try:
            return self._child.wait()
        finally:
            self._child = None

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if self._child is not None:
            self._child.send_signal(number)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While inside, SIGINT and SIGTERM go to the child, which saves and ends."""
        previous: dict[int, Any] = {one: signal.signal(one, self.on_signal) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in previous.items():
                signal.signal(one, handler)


def sweep(arguments: Arguments, source: ConfigSource) -> int:
    """Run every job; 0 when all succeeded, else the first other exit code. Raises ConfigError before any starts."""
    if any(text.lstrip("+").startswith("hydra/launcher=") for text in arguments.overrides):
        from grpo.cli.hydra_launcher import launch

        return launch(arguments, source)
    jobs = plan(arguments.overrides, source)
    supervisor = Supervisor()
    rows: list[tuple[Job, int | None, Path | None]] = []
    with supervisor.listening():
        for number, job in enumerate(jobs, start=1):
            code, folder = None, None
            if not supervisor.stopped:
                print(f"\n[{number}/{len(jobs)}] grpo {' '.join(job.overrides)}", flush=True)
                code, folder = run_job(job, arguments.source_flags(), supervisor)
            rows.append((job, code, folder))
    print("\n" + table(rows), flush=True)
    if supervisor.stopped:
        return STOPPED
    return next((code for _, code, _ in rows if code), 0)


def plan(overrides: Sequence[str], source: ConfigSource) -> list[Job]:
    """All jobs, every one composed and checked; raises ConfigError naming the job at fault."""
    jobs = []
    for job in expand(overrides):
        try:
            config = load_config(job, source)
            check(config)
        except ConfigError as error:
            raise ConfigError(f"job {' '.join(job)}: {error}") from None
        jobs.append(Job(overrides=tuple(job), config=config))
    return jobs


def command(overrides: Sequence[str], flags: Sequence[str]) -> list[str]:
    """The command line of one job. Its run shows up in the process list with its own overrides."""
    return [sys.executable, "-m", "grpo", *flags, *overrides]


def run_job(job: Job, flags: Sequence[str], supervisor: Supervisor) -> tuple[int, Path | None]:
    """Exit code of one job and the folder it ran in."""
    root = Path(job.config.run_root).expanduser()
    before = folders(root)
    code = supervisor.run(command(job.overrides, flags))
    return code, folder_of(job.config, root, before)


def folders(root: Path) -> set[Path]:
    """Run folders below a run root."""
    return {path.parent for path in root.glob("*/config.yaml")}


def folder_of(config: RunConfig, root: Path, before: set[Path]) -> Path | None:
    """The run folder whose config is this one: a new one, or the newest that was resumed."""

    def newest_first(paths: set[Path]) -> list[Path]:
        return sorted(paths, key=lambda path: (path / "config.yaml").stat().st_mtime, reverse=True)

    now = folders(root)
    for folder in [*newest_first(now - before), *newest_first(now & before)]:
        try:
            found = from_yaml((folder / "config.yaml").read_text(encoding="utf-8"))
        except (ConfigError, OSError):
            continue
        if replace(found, resume=config.resume) == config:
            return folder
    return None


def table(rows: Sequence[tuple[Job, int | None, Path | None]]) -> str:
    """Job number, exit code, run folder and overrides, one line a job."""
    lines = [f"{'job':>4}  {'exit':>8}  overrides → run folder"]
    for number, (job, code, folder) in enumerate(rows, start=1):
        shown = "not run" if code is None else str(code)
        lines.append(f"{number:>4}  {shown:>8}  {' '.join(job.overrides)} → {folder or '-'}")
    return "\n".join(lines)
