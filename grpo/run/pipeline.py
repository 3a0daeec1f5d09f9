"""Runs the stages of a config in order, in one folder, resumable at any step."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from grpo.config.check_algorithm import warnings
from grpo.config.load import resolved, to_yaml
from grpo.config.schema import RunConfig
from grpo.cost.accounts import close_accounts, open_accounts
from grpo.cost.book import CostBook
from grpo.cost.machine import this_machine
from grpo.report import write_report
from grpo.rewards.suite import RewardErrorShareError
from grpo.rollouts.engine import EngineError
from grpo.run.atomic import write_bytes, write_json
from grpo.run.checkpoint import Checkpoint, CheckpointError, newest_checkpoint
from grpo.run.disk import DiskSpaceError
from grpo.run.folder import OpenRun, RunFolder, config_hash, open_run
from grpo.run.interrupt import Interruption
from grpo.run.memory import GAUGE
from grpo.run.random import derive_seed
from grpo.run.summary import Summary
from grpo.stages.context import AlarmStop, InterruptedRun, RunContext
from grpo.stages.engine_slot import EngineSlot
from grpo.stages.registry import STAGES
from grpo.stages.totals import StageTotals
from grpo.track.alarms.watch import AlarmWatch
from grpo.track.jsonl import read_metrics
from grpo.track.tracker import open_tracker
from grpo.update.mismatch import LogprobMismatchError
from grpo.update.optimizer import NonFiniteError

DONE_FILE = "done.json"
EXIT_ALARM = 3
"""Exit code of a run that an alarm stopped."""
EXPECTED_ERRORS = (
    ValueError,
    EngineError,
    LogprobMismatchError,
    NonFiniteError,
    RewardErrorShareError,
    CheckpointError,
    DiskSpaceError,
)
"""Errors whose message is enough; any other is shown with its traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands: stages done, and the checkpoint inside the one after them."""

    done: Mapping[str, Mapping[str, Any]]
    checkpoint: Checkpoint | None
    step: int
    """Steps of the run that stand; whatever was logged past them is cut."""


def run_pipeline(config: RunConfig) -> int:
    """Run or resume; returns the process's exit code. Raises RunLockedError and ValueError before anything starts."""
    values = resolved(config)
    opened = open_run(Path(config.run_root), config.name, config_hash(values), config.resume)
    try:
        return _run(config, values, opened)
    finally:
        opened.lock.release()


def _run(config: RunConfig, values: dict[str, Any], opened: OpenRun) -> int:
    folder = opened.folder
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(derive_seed(config.seed, "run"))
    progress = _progress(folder, config) if opened.resumed else Progress(done={}, checkpoint=None, step=0)
    # before the tracker cuts metrics: a run begun without a ledger gets one from them
    costs = CostBook(folder, config, this_machine(), progress.step if opened.resumed else None)
    summary = _summary(folder, config, opened.resumed)
    open_accounts(costs, summary, config)
    GAUGE.start()
    write_bytes(folder.config_file, to_yaml(config).encode())
    tracker = open_tracker(
        folder.path, config.logger, folder.path.name, values, progress.step if opened.resumed else None
    )
    tracker.message(f"run folder {folder.path}")
    for line in [*opened.recovered, *(f"warning: {text}" for text in warnings(config))]:
        tracker.message(line)
    with Interruption(resume_hint="the same command and resume=auto") as interruption:
        context = RunContext(
            config=config,
            folder=folder,
            tracker=tracker,
            summary=summary,
            interruption=interruption,
            engine=EngineSlot(config, folder.log_file),
            step=progress.step,
            alarms=AlarmWatch(config.alarms.off),
            costs=costs,
        )
        if opened.resumed:  # the tracker has cut what is taken back
            context.alarms.replay(read_metrics(folder.metrics_file))
            context.summary.set_alarms(context.alarms.rings)
        return _finish(context, progress)


def _finish(context: RunContext, progress: Progress) -> int:
    """Run the stages; whatever happens, leave a summary, a report and closed files."""
    status, error, code = "failed", None, 1
    try:
        context.summary.write("running")
        _run_stages(context, progress)
        status, code = "finished", 0
    except InterruptedRun:
        status, code = "interrupted", context.interruption.exit_code
    except AlarmStop as ring:
        status, error, code = "stopped", str(ring), EXIT_ALARM
    except EXPECTED_ERRORS as expected:
        error = f"{type(expected).__name__}: {expected}"
        context.tracker.message(f"error: {error}")
    except BaseException:
        error = traceback.format_exc()
        raise
    finally:
        context.engine.close()
        if context.costs is not None:
            close_accounts(context.costs, context.summary, status)
        context.summary.write(status, error)
        context.tracker.close(status)
        report = write_report(context.folder.path)
    print(f"\n{status}: {context.folder.path}\nreport: {report}", flush=True)
    return code


def _run_stages(context: RunContext, progress: Progress) -> None:
    for name in context.config.pipeline:
        if name in progress.done:
            continue
        context.stop_if_asked()
        here = progress.checkpoint
        path = here.path if here is not None and here.meta["stage"] == name else None
        stage = context.config.stages[name]
        context.folder.stage(name).mkdir(parents=True, exist_ok=True)
        GAUGE.stage(name, "load")
        if context.costs is not None:
            context.costs.stage(name, stage.kind)
        totals = STAGES[stage.kind](name, stage, context, path)
        if context.engine.running is not None:
            context.summary.engine(context.engine.running.name, context.engine.running.library_version)
        _record_done(name, totals, context)


def _record_done(name: str, totals: StageTotals, context: RunContext) -> None:
    """The stage's outputs are on disk; from here on a resume skips it."""
    entry = {"kind": context.config.stages[name].kind, **asdict(totals), "peak_memory_bytes": GAUGE.peak_of(name)}
    entry["peak_memory_by_phase"] = GAUGE.phases_of(name)
    if context.costs is not None:
        entry |= context.costs.stage_finished(totals)
        context.summary.set_cost(context.costs.sums("running", context.summary.content))
    context.summary.stage_finished(name, entry)
    context.summary.measured_memory(GAUGE.base)
    context.summary.write("running")
    write_json(context.folder.stage(name) / DONE_FILE, {"last_step": context.step, **entry})


def _progress(folder: RunFolder, config: RunConfig) -> Progress:
    done: dict[str, Any] = {}
    for name in config.pipeline:
        file = folder.stage(name) / DONE_FILE
        if not file.exists():
            break
        done[name] = json.loads(file.read_text())
    border = max((entry["last_step"] for entry in done.values()), default=0)
    search = newest_checkpoint(folder.checkpoints)
    for reason in search.rejected:
        print(f"checkpoint passed over: {reason}", flush=True)
    newest = search.newest
    if newest is None or newest.meta["stage"] in done or newest.step < border:
        return Progress(done=done, checkpoint=None, step=border)
    return Progress(done=done, checkpoint=newest, step=newest.step)


def _summary(folder: RunFolder, config: RunConfig, resumed: bool) -> Summary:
    summary = Summary(folder.summary_file, config)
    if resumed and folder.summary_file.exists():
        summary.restore(json.loads(folder.summary_file.read_text()))
    return summary
