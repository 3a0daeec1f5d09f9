"""Keeps a run's accounts while it runs: the ledger, the energy meter, and the sums for summary and dashboards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grpo.config.estimate import parameter_count
from grpo.config.estimate.work import StageWork, training_flops
from grpo.config.schema import RunConfig
from grpo.cost.arithmetic import load_multiple, peak_flops, per, utilisation
from grpo.cost.from_metrics import lines_from_metrics, start_line
from grpo.cost.ledger import STEP, Ledger, StageUse
from grpo.cost.machine import Machine
from grpo.cost.project import Project, read_project
from grpo.cost.results import per_answer, per_point
from grpo.cost.usage import Usage
from grpo.run.folder import RunFolder
from grpo.stages.totals import StageTotals

RUNNING = "running"


class CostBook:
    """One process's accounts; `spent` closes a piece of work, from the last call on."""

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        machine: Machine,
        resume_step: int | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Opens the ledger with a line for this process.

        `resume_step`: the step a resumed run goes on from. Its metrics must not have been cut yet: a run that was begun
        without a ledger gets one from them.
        """
        self._config, self._machine, self._clock = config, machine, clock
        self._folder, self._ledger = folder.path, Ledger(folder.path)
        if resume_step is not None and self._ledger.tally.lines == 0:
            self._carry_over(folder)
        machine.meter.start()
        self._counted = machine.meter.counters is not None
        self._last = clock()
        self._stage, self._kind = "", ""
        self._totals = StageTotals()
        self.project = Project()
        """The other runs of the run root, as `read_project` found them last."""
        self._ledger.append(self._opening() | {"time": round(time.time(), 3), "resume_step": resume_step})

    def look_around(self) -> None:
        """Read the other runs of the run root anew; linear in what they have logged, so never on every step."""
        self.project = read_project(Path(self._config.run_root), self._folder)

    def stage(self, name: str, kind: str) -> None:
        """A stage begins."""
        self.spent("setup")
        self._stage, self._kind, self._totals = name, kind, StageTotals()

    def resumed(self, totals: StageTotals) -> None:
        """The stage goes on from a checkpoint, or from what it kept, with totals that are in the ledger already."""
        self._totals = _copy(totals)

    def spent(self, part: str, step: int | None = None, totals: StageTotals | None = None) -> None:
        """Write down the time, energy and tokens since the last call; `totals`: of the stage so far."""
        now = self._clock()
        tokens: dict[str, int] = {}
        if totals is not None:
            names = ("tokens_sampled", "tokens_prompted", "tokens_trained")
            tokens = {name: getattr(totals, name) - getattr(self._totals, name) for name in names}
            self._totals = _copy(totals)
        row: dict[str, Any] = {"event": "work", "stage": self._stage, "kind": self._kind, "part": part, "step": step}
        row |= {"seconds": now - self._last, **tokens, "energy_joules": self._machine.meter.take()}
        if self._counted and row["energy_joules"] is None:
            row["energy_missing"] = self._machine.meter.missing
        self._ledger.append(row)
        self._last = now

    def step(self, step: int, totals: StageTotals | None = None) -> None:
        """A step of the run is done, and its metrics are not written yet."""
        self.spent(STEP, step, totals)

    def stage_finished(self, totals: StageTotals) -> dict[str, Any]:
        """Its entry of the summary; tokens of a stage that did not hand its totals to `step` are counted now."""
        self.spent("save", totals=totals)
        entry = self.stage_entry(self._stage)
        self._stage, self._kind = "", ""
        return entry

    def stage_entry(self, name: str) -> dict[str, Any]:
        """What a stage used in all, and of that what was done again; FLOPs and MFU by tokens, attention not counted."""
        use = self._ledger.tally.stages.get(name, StageUse())
        parameters = parameter_count(self._config.model)
        work = [StageWork(name=name, sampled=use.used.tokens_sampled, trained=use.used.tokens_trained)]
        flops = None if parameters is None else float(training_flops(parameters, work))
        peak = peak_flops(self._machine.name)
        return {
            "device_hours": use.used.device_hours,
            "cost": use.used.amount or 0.0,
            "used": use.used.entry(),
            "lost": use.lost.entry() | {"steps": use.lost_steps},
            "flops": flops,
            "mfu": None if flops is None else utilisation(flops, use.used.device_hours, peak),
        }

    def sums(self, status: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """`cost` of the summary.

        Args:
            found: the summary so far: `eval`, `eval_gain`, and of `cost` the estimate.
        """
        tally, currency = self._ledger.tally, self._config.cost.currency
        final, lost = tally.used, tally.lost
        loaded = self.project.loaded(final, status, currency)
        everything = Usage(device_hours=loaded["device_hours"], amount=loaded["amount"])
        used = {name: stage.used for name, stage in tally.stages.items()}
        return {
            "device_hours": final.device_hours,
            "amount": final.amount or 0.0,
            "currency": currency,
            "final": final.entry() | {"lost": lost.entry() | {"steps": tally.lost_steps}},
            "loaded": loaded | {"multiple": load_multiple(final.device_hours, loaded["device_hours"])},
            "outside_stages": used.get("", Usage()).entry(),
            "per_point": per_point(found["eval_gain"], used, self._config.pipeline, everything),
            "per_answer": per_answer(found["eval"], used),
            "estimate": _with_actual(found["cost"].get("estimate"), final, status),
        }

    def metrics(self) -> dict[str, float]:
        """For dashboards, at the end of a stage; money only where all of it has a price."""
        self.look_around()
        final = self._ledger.tally.used
        loaded = self.project.loaded(final, RUNNING, self._config.cost.currency)
        amounts = {"cost/final_amount": final.amount, "cost/loaded_amount": loaded["amount"]}
        known = {name: amount for name, amount in amounts.items() if amount is not None}
        return {"cost/final": final.device_hours, "cost/loaded": loaded["device_hours"], **known}

    def close(self) -> None:
        """Write down what is left."""
        self.spent("setup")
        self._machine.meter.stop()
        self._ledger.close()

    def _opening(self) -> dict[str, Any]:
        cost, machine = self._config.cost, self._machine
        counters = machine.meter.counters
        return start_line(machine.devices, cost.price_per_device_hour, cost.currency) | {
            "device": machine.name,
            "energy": None if counters is None else counters.name,
            "energy_missing": machine.meter.missing,
        }

    def _carry_over(self, folder: RunFolder) -> None:
        cost = self._config.cost
        self._ledger.append(start_line(self._machine.devices, cost.price_per_device_hour, cost.currency))
        for line in lines_from_metrics(folder.path):
            self._ledger.append(line)


def _with_actual(estimate: Mapping[str, Any] | None, final: Usage, status: str) -> dict[str, Any] | None:
    if estimate is None:
        return None
    hours = estimate.get("device_hours")
    ratio = per(final.device_hours, hours) if hours and status == "finished" else None
    return {**estimate, "actual_over_estimate": ratio}


def _copy(totals: StageTotals) -> StageTotals:
    copied = StageTotals()
    copied.load_state(totals.state())
    return copied
