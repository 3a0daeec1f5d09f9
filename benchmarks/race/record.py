"""The record of a race: one entry a side, the bar, and where the time goes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.optimizer_quality import interval
from benchmarks.race.judge import WINDOW, last_accuracy, race, seconds_a_step, verdict
from benchmarks.race.plan import ENGINES, Race

Runs = Mapping[str, Mapping[str, Any]]
MODES = ("sampled", "greedy")


def record_of(raw: Mapping[str, Any], plan: Race) -> dict[str, Any]:
    """`raw`: facts, trials, rates, chosen and `runs` by side and seed, None for those that failed."""
    done = {side: {seed: run for seed, run in runs.items() if run} for side, runs in raw["runs"].items()}
    done = {side: runs for side, runs in done.items() if runs}
    kept = {key: value for key, value in raw.items() if key != "runs"}
    bars = {side: verdict(races_of(done, side, plan.steps)) for side in done if side != "trl"}
    return {
        **kept,
        "plan": asdict(plan),
        "commits": sorted({run["commit"] for runs in done.values() for run in runs.values()}),
        "window": WINDOW,
        "sides": {side: side_of(side, runs, plan, raw.get("chosen", {})) for side, runs in done.items()},
        "bars": bars,
        "bar": bars.get("ours", verdict({})),
        "missing": [
            f"{side}_{seed}" for side in plan.sides for seed in plan.seeds if str(seed) not in done.get(side, {})
        ],
    }


def races_of(done: Mapping[str, Runs], side: str, steps: int) -> dict[str, Any]:
    """By seed, for the seeds that both sides have."""
    trl = done.get("trl", {})
    return {seed: race(run["points"], trl[seed]["points"], steps) for seed, run in done[side].items() if seed in trl}


def side_of(side: str, runs: Runs, plan: Race, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """One side over its finished seeds; everything at the shared budget but the whole curves."""
    within = [run["points"][: plan.steps] for run in runs.values()]
    last = [next(entry for entry in run["held_out"] if entry["step"] == plan.steps) for run in runs.values()]
    first = [run["held_out"][0] for run in runs.values()]
    lr = chosen.get("lr", {}).get("trl" if side == "trl" else "ours")
    return {
        "engine": ENGINES[side],
        "lr": lr,
        "seeds": list(runs),
        "before": {mode: interval([entry[mode] for entry in first]) for mode in MODES},
        "after": {mode: interval([entry[mode] for entry in last]) for mode in MODES},
        "last_training": interval([last_accuracy(points, plan.steps) for points in within]),
        "seconds": interval([points[-1]["seconds"] for points in within]),
        "seconds_a_step": statistics.fmean(map(seconds_a_step, within)),
        "samples": [sum(point["samples"] for point in points) for points in within],
        "tokens": [sum(point["tokens"] for point in points) for points in within],
        "phases": phases_a_step(list(runs.values())),
        "peak_rss_bytes": max(run["peak_rss_bytes"] for run in runs.values()),
        "curves": {seed: curve(run["points"]) for seed, run in runs.items()},
        "held_out": {seed: run["held_out"] for seed, run in runs.items()},
    }


def curve(points: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """`seconds` since the first step, `accuracy` of the step's samples: a number a step."""
    return {name: [float(f"{point[name]:.5g}") for point in points] for name in ("seconds", "accuracy")}


def phases_a_step(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Mean seconds of a step by phase; `other` is what the clock has beside them."""
    steps = sum(len(run["points"]) - 1 for run in runs)
    names = {name: None for run in runs for name in run["phases"]}
    found = {name: sum(run["phases"].get(name, 0.0) for run in runs) / steps for name in names}
    whole = sum(run["points"][-1]["seconds"] for run in runs) / steps
    return found | {"other": whole - sum(found.values())}


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What a person looks for first."""
    for side, row in record["sides"].items():
        phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row["phases"].items())
        yield (
            f"{side:<6} lr {row['lr']:g}: sampled {row['before']['sampled']['mean']:.3f} -> "
            f"{row['after']['sampled']['mean']:.3f} in {row['seconds']['mean']:.0f} s; a step: {phases}"
        )
    for side, bar in record["bars"].items():
        for seed, one in bar["seeds"].items():
            ratio = "never" if one["ratio"] is None else f"{one['ratio']:.2f} of TRL's {one['trl_seconds']:.0f} s"
            yield f"{side}, seed {seed}: TRL's {one['target']:.3f} reached in {ratio}"
        yield f"{side}: median {bar['median_ratio']}, allowed {bar['allowed']}, met: {bar['met']}"
    for name in record["missing"]:
        yield f"{name}: missing"
