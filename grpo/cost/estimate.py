"""What a run will take, said before it starts: by what earlier runs of the project took, else by its arithmetic."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grpo.config.estimate import parameter_count, shape_of, training_flops, work_of
from grpo.config.estimate.work import StageWork
from grpo.config.schema import RunConfig
from grpo.cost.arithmetic import SECONDS_PER_HOUR, money, per
from grpo.cost.project import PastRun
from grpo.track.loose import mapping, number, text

ASSUMED_UTILISATION = 0.3
"""Share of the measured matrix rate a run is taken to reach."""
PAST, ARITHMETIC, UNKNOWN = "past runs", "arithmetic", "unknown"
Rate = Callable[[str], float]
"""Floating-point operations a second of matrix products in a precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEstimate:
    """Of one stage."""

    kind: str
    tokens_sampled: int
    """At most."""
    tokens_trained: int
    """At most."""
    device_hours: float | None

    @property
    def tokens(self) -> int:
        """At most, sampled and trained on."""
        return self.tokens_sampled + self.tokens_trained


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """Of one run."""

    basis: str
    """PAST, ARITHMETIC or UNKNOWN."""
    runs: int
    """Earlier runs it goes by."""
    stages: Mapping[str, StageEstimate]
    device_hours: float | None
    amount: float | None
    flops: int | None
    rate: float | None
    """Floating-point operations a second taken as reached; None unless it goes by arithmetic."""
    like: Mapping[str, Any]
    """What makes runs comparable: the model's shape, its precision, the engine."""

    def entry(self) -> dict[str, Any]:
        """`cost.estimate` of the summary; `actual_over_estimate` is known when the run has finished."""
        stages = {name: asdict(stage) for name, stage in self.stages.items()}
        return asdict(self) | {"stages": stages, "like": dict(self.like), "actual_over_estimate": None}


def estimate_cost(config: RunConfig, past: Sequence[PastRun], rate: Rate) -> CostEstimate:
    """By finished runs of the same model shape, precision and engine, where they had every kind of stage; else by the
    work's floating-point operations at ASSUMED_UTILISATION of `rate`, which is then asked for."""
    like, work, parameters = comparable(config), work_of(config), parameter_count(config.model)
    alike = [run for run in past if run.status == "finished" and _estimate_of(run).get("like") == like]
    hours, basis, reached = by_past(config, work, alike), PAST, None
    flops = None if parameters is None else training_flops(parameters, work)
    if hours is None and parameters is not None:
        basis, reached = ARITHMETIC, rate(config.model.dtype) * ASSUMED_UTILISATION
        hours = [training_flops(parameters, [stage]) / reached / SECONDS_PER_HOUR for stage in work]
    if hours is None:
        basis = UNKNOWN
    total = None if hours is None else sum(hours)
    stages = {
        stage.name: StageEstimate(
            kind=config.stages[stage.name].kind,
            tokens_sampled=stage.sampled,
            tokens_trained=stage.trained,
            device_hours=None if hours is None else hours[place],
        )
        for place, stage in enumerate(work)
    }
    return CostEstimate(
        basis=basis,
        runs=len(alike) if basis == PAST else 0,
        stages=stages,
        device_hours=total,
        amount=None if total is None else money(total, config.cost.price_per_device_hour),
        flops=flops,
        rate=reached,
        like=like,
    )


def by_past(config: RunConfig, work: Sequence[StageWork], runs: Sequence[PastRun]) -> list[float] | None:
    """Device-hours per stage, None when a kind of stage has not been seen.

    Rates are device-hours per token *at the limit* (what `work_of` counts), so that completions that end before the
    limit, as they did then, make the estimate lower; a kind without tokens takes its mean time.
    """
    tokens: dict[str, int] = {}
    hours: dict[str, list[float]] = {}
    for run in runs:
        for kind, limit, used in _measured(run):
            tokens[kind] = tokens.get(kind, 0) + limit
            hours.setdefault(kind, []).append(used)
    found = []
    for stage in work:
        kind = config.stages[stage.name].kind
        if kind not in hours:
            return None
        rate = per(sum(hours[kind]), tokens[kind])
        mean = sum(hours[kind]) / len(hours[kind])
        found.append(mean if rate is None else rate * (stage.sampled + stage.trained))
    return found


def comparable(config: RunConfig) -> dict[str, Any]:
    """Runs that have this in common take as long per token."""
    shape = shape_of(config.model)
    described: object = config.model.name if shape is None else asdict(shape)
    engine, lora = config.rollout.engine, config.model.lora.rank
    return {"model": described, "dtype": config.model.dtype, "engine": engine, "lora_rank": lora}


def estimate_lines(estimate: CostEstimate, currency: str, price: float) -> Iterator[str]:
    """For a person: tokens per stage, hours, money, and what they go by."""
    for name, stage in estimate.stages.items():
        if stage.tokens:
            yield f"{name}: at most {stage.tokens_sampled:,} tokens sampled, {stage.tokens_trained:,} trained on"
    if estimate.device_hours is None:
        yield "work unknown: the model's size is"
        return
    hours = f"about {estimate.device_hours:.2g} device-hours"
    if estimate.basis == PAST:
        yield f"{hours}, by what {estimate.runs} finished run(s) of this run root with this model and engine took"
    else:
        yield (
            f"{estimate.flops:.2g} floating-point operations; at {ASSUMED_UTILISATION:.0%} of the "
            f"{(estimate.rate or 0.0) / ASSUMED_UTILISATION:.2g} a second measured here {hours}; "
            "no finished run of this run root to go by"
        )
    if estimate.amount is None:
        yield "money: set cost.price_per_device_hour to see it"
    else:
        yield f"about {estimate.amount:.2g} {currency} at {price:g} a device-hour"


def matrix_rate(dtype: str, size: int = 1024, seconds: float = 0.2) -> float:
    """Floating-point operations a second of a square matrix product on this machine's training device.

    The fastest of three, or of as many as `seconds` hold: the others warm up, or share the machine with other work.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    matrix = torch.ones(size, size, device=device, dtype=getattr(torch, dtype))
    taken: list[float] = []
    deadline = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < deadline:
        start = time.perf_counter()
        (matrix @ matrix).sum().item()
        taken.append(time.perf_counter() - start)
    return 2 * size**3 / min(taken)


def _measured(run: PastRun) -> Iterator[tuple[str, int, float]]:
    """Per stage: kind, tokens at the limit, device-hours without what was done twice."""
    stages = mapping(run.summary.get("stages"))
    for name, raw in mapping(_estimate_of(run).get("stages")).items():
        planned, found = mapping(raw), mapping(stages.get(name))
        used = number(found.get("device_hours"))
        if used is None:
            continue
        lost = number(mapping(found.get("lost")).get("device_hours")) or 0.0
        limits = (number(planned.get("tokens_sampled")), number(planned.get("tokens_trained")))
        yield text(planned.get("kind")), sum(int(limit or 0) for limit in limits), used - lost


def _estimate_of(run: PastRun) -> Mapping[str, Any]:
    return mapping(mapping(run.summary.get("cost")).get("estimate"))
