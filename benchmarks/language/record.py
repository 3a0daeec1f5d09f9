"""The record of all runs: both sides over the seeds, what the language reward changes, and a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.language.plan import SIDES, Plan
from benchmarks.learning.finished import finished, reason_of
from benchmarks.learning.places import spread
from benchmarks.optimizer_quality import interval

WINDOW = 5
"""Last steps whose mean length counts."""
MODES = ("sampled", "greedy")
FIGURES = ("accuracy", "consistency")


def record_of(head: Mapping[str, Any], plan: Plan, work: Path) -> dict[str, Any]:
    """Everything measured so far; a seed counts for a side when its run is finished."""
    cold = {seed: finished(plan.cold(seed).file(work), plan.cold(seed).as_json()) for seed in plan.seeds}
    requests = {f"{side}_{seed}": (side, seed, request) for side, seed, request in plan.runs()}
    found = {name: finished(request.file(work), request.as_json()) for name, (_, _, request) in requests.items()}
    sides = {
        side: side_of({seed: run for seed in plan.seeds if (run := found[f"{side}_{seed}"]) is not None})
        for side in SIDES
    }
    done = [run for run in [*cold.values(), *found.values()] if run is not None]
    return {
        **head,
        "plan": asdict(plan),
        "commits": sorted({run["commit"] for run in done}),
        "cold_start": figures({seed: run for seed, run in cold.items() if run is not None}),
        "sides": {side: row for side, row in sides.items() if row["seeds"]},
        "difference": difference(sides),
        "missing": {name: reason_of(requests[name][2].file(work)) for name, run in found.items() if run is None},
    }


def side_of(runs: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """One side over its finished seeds."""
    row = figures(runs)
    if runs:
        lengths = [run["curves"]["length"][-WINDOW:] for run in runs.values()]
        row["length"] = interval([sum(last) / len(last) for last in lengths])
        row["curves"] = {str(seed): run["curves"] for seed, run in runs.items()}
        row["seconds"] = [run["seconds"] for run in runs.values()]
    return row


def figures(runs: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Held-out means with their interval over seeds, and each seed's own interval over problems."""
    if not runs:
        return {"seeds": []}
    means = {
        mode: {name: interval([run["held_out"][mode][name]["mean"] for run in runs.values()]) for name in FIGURES}
        for mode in MODES
    }
    by_seed = {str(seed): run["held_out"] for seed, run in runs.items()}
    return {"seeds": list(runs), **means, "by_seed": by_seed}


def difference(sides: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """With less without the language reward, seed by seed, over the seeds that both sides have."""
    ours, theirs = (sides[side] for side in SIDES)
    shared = [seed for seed in ours["seeds"] if seed in theirs["seeds"]]
    if not shared:
        return {}
    pairs = [(ours["seeds"].index(seed), theirs["seeds"].index(seed)) for seed in shared]

    def paired(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        return interval([one["values"][a] - other["values"][b] for a, b in pairs])

    found = {mode: {name: paired(ours[mode][name], theirs[mode][name]) for name in FIGURES} for mode in MODES}
    return {"seeds": shared, **found, "length": paired(ours["length"], theirs["length"])}


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What a person looks for first."""
    yield f"{'sampled, held out':<20}{'consistency':>14}{'95 %':>20}{'accuracy':>12}{'95 %':>20}{'tokens':>9}"
    rows = {"cold start": record["cold_start"], **record["sides"], "with - without": record["difference"]}
    for name, row in rows.items():
        if row.get("seeds"):
            consistency, accuracy = row["sampled"]["consistency"], row["sampled"]["accuracy"]
            length = f"{row['length']['mean']:.1f}" if "length" in row else ""
            yield (
                f"{name:<20}{consistency['mean']:>14.3f}{spread(consistency):>20}"
                f"{accuracy['mean']:>12.3f}{spread(accuracy):>20}{length:>9}"
            )
    for name, reason in record["missing"].items():
        yield f"{name}: {reason}"
