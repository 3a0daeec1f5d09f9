"""`python -m benchmarks.improvement.worker JSON`: one run, what it cost stage by stage, and held-out accuracy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.improvement.cost import Spent, by_step, parameters_of, stage_spent
from benchmarks.improvement.marks import marked
from benchmarks.learning.requests import Request, keep_model
from benchmarks.learning.runner import work_off
from benchmarks.learning.task import RL, RL_EVAL, our_run, summary_of
from benchmarks.learning.watch import trained_by
from grpo.stages.totals import StageTotals


def measured(request: Request, work: Path, root: Path) -> dict[str, Any]:
    """The result file's figures; the model for other runs is kept."""
    return matched(request, work, root) if request.marks else as_it_is(request, work, root)


def as_it_is(request: Request, work: Path, root: Path) -> dict[str, Any]:
    """A pipeline with its own evaluations."""
    run = our_run(root, request.filled(work))
    summary = summary_of(run)
    if request.keeps:
        keep_model(run / "stages" / request.keeps / "model", request.model(work))
    evaluated = {entry["stage"] for entry in summary["eval"]}
    work_done = {name: entry for name, entry in summary["stages"].items() if name not in evaluated}
    return {
        "held_out": held_out(summary),
        "stages": {name: stage_spent(entry).as_json() for name, entry in work_done.items()},
        "data_sets": summary["data_sets"],
    }


def matched(request: Request, work: Path, root: Path) -> dict[str, Any]:
    """A reinforcement stage up to the last mark, then an evaluation of the model at each of them."""
    parameters, place = parameters_of(request.overrides), root / "marks"
    steps: list[int] = []

    def cost(totals: StageTotals) -> float:
        return Spent(sampled=totals.tokens_sampled, trained=totals.tokens_trained).flops(parameters)

    with trained_by(marked(request.marks, cost, place, steps)):
        run = our_run(root, request.filled(work))
    if len(steps) < len(request.marks):
        raise RuntimeError(f"the run ended before it had cost {request.marks[-1]:.3g} FLOPs")
    spent = list(by_step(run, RL))
    if request.keeps:
        keep_model(place / str(len(steps)) / "model", request.model(work))
    return {
        "held_out": held_out(summary_of(our_run(root, evaluations(request, place)))),
        "marks": [{"step": step, **spent[step - 1].as_json()} for step in steps],
    }


def evaluations(request: Request, place: Path) -> list[str]:
    """A pipeline of nothing but the evaluations `mark1`, `mark2` …, of the models that `marked` kept."""
    names = [f"mark{number}" for number in range(1, len(request.marks) + 1)]
    shared = [text for text in request.overrides if not text.startswith("pipeline=")]
    own = [f"+stage@stages.{name}=evaluate" for name in names]
    own += [f"stages.{name}.model_from={place / str(number)}/model" for number, name in enumerate(names, start=1)]
    own += [f"stages.{name}.samples_per_problem=${{stages.{RL_EVAL}.samples_per_problem}}" for name in names]
    return [*shared, *own, f"pipeline=[{','.join(names)}]"]


def held_out(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Stage to mode to accuracy and its interval over problems."""
    found: dict[str, dict[str, Any]] = {}
    for entry in summary["eval"]:
        found.setdefault(entry["stage"], {})[entry["mode"]] = {"accuracy": entry["accuracy"], "ci95": entry["ci95"]}
    return found


if __name__ == "__main__":
    sys.exit(work_off(sys.argv[1], measured))
