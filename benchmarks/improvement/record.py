"""The record of all runs: the rounds beside reinforcement alone, both ways to teach a student, at equal cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.improvement.cost import Spent, total
from benchmarks.improvement.plan import DISTILL, POINTS, SFT, SFT_EVAL, SIDES, Find, Plan, follow, points_spent
from benchmarks.learning.finished import finished, reason_of
from benchmarks.learning.places import spread
from benchmarks.learning.requests import Request
from benchmarks.learning.task import COLD, COLD_EVAL
from benchmarks.optimizer_quality import interval

MODES = ("sampled", "greedy")
COUNTS = ("sampled", "right", "kept", "problems", "problems_covered")
Found = Mapping[str, Mapping[str, Any]]
"""Side to result."""


def record_of(head: Mapping[str, Any], plan: Plan, work: Path) -> dict[str, Any]:
    """Everything measured so far; a seed counts for a part when all runs of that part are finished."""
    runs = {seed: follow(plan, seed, looked_up(work)) for seed in plan.seeds}
    found: dict[int, Found] = {
        seed: {side: result for side, (_, result) in sides.items() if result is not None}
        for seed, sides in runs.items()
    }
    sizes = {"model": plan.parameters("plain"), "student": plan.parameters("student")}
    missing = {
        f"{side}_{seed}": reason_of(runs[seed][side][0].file(work)) if side in runs[seed] else "not run"
        for seed in plan.seeds
        for side in SIDES
        if side not in found[seed]
    }
    return {
        **head,
        "plan": asdict(plan),
        "parameters": sizes,
        "commits": sorted({result["commit"] for sides in found.values() for result in sides.values()}),
        "rounds": rounds_part({seed: sides for seed, sides in found.items() if "plain" in sides}, sizes["model"]),
        "student": student_part({seed: sides for seed, sides in found.items() if "student" in sides}, **sizes),
        "missing": missing,
    }


def looked_up(work: Path) -> Find:
    """Finds results and runs nothing."""

    def find(request: Request) -> dict[str, Any] | None:
        return finished(request.file(work), request.as_json())

    return find


def rounds_part(found: Mapping[int, Found], parameters: int) -> dict[str, Any]:
    """Each point: accuracy of both sides, their paired difference, and what each has cost since the cold start."""
    if not found:
        return {"seeds": []}
    points: dict[str, Any] = {}
    for place, point in enumerate(POINTS):
        ours = [sides["rounds"]["held_out"][f"{point}_eval"] for sides in found.values()]
        theirs = [sides["plain"]["held_out"][f"mark{place + 1}"] for sides in found.values()]
        spent = [points_spent(sides["rounds"])[point] for sides in found.values()]
        marks = [mark_spent(sides["plain"]["marks"][place]) for sides in found.values()]
        points[point] = {
            "rounds": accuracies(ours) | {"cost": costs(spent, parameters)},
            "plain": accuracies(theirs) | {"cost": costs(marks, parameters)},
            "difference": differences(ours, theirs),
        }
    return {
        "seeds": list(found),
        "cold_start": accuracies([sides["rounds"]["held_out"][COLD_EVAL] for sides in found.values()]),
        "points": points,
        "data_sets": {
            name: counts([sides["rounds"]["data_sets"][name] for sides in found.values()])
            for name in ("rejection1", "rejection2")
        },
    }


def student_part(found: Mapping[int, Found], model: int, student: int) -> dict[str, Any]:
    """The student's cold start, reinforcement and distillation at equal cost, and what the teacher has cost."""
    if not found:
        return {"seeds": []}
    distilled = [sides["distilled"] for sides in found.values()]
    alone = [sides["student"] for sides in found.values()]
    taught = [one["held_out"][SFT_EVAL] for one in distilled]
    marks = {
        name: {
            "held_out": [one["held_out"][f"mark{number}"] for one in alone],
            "spent": [mark_spent(one["marks"][number - 1]) for one in alone],
        }
        for number, name in enumerate(("rl", "rl_and_traces"), start=1)
    }
    last = len(POINTS)
    return {
        "seeds": list(found),
        "cold_start": accuracies([one["held_out"][COLD_EVAL] for one in distilled]),
        "distilled": accuracies(taught) | {"cost": costs([total(one["stages"], [SFT]) for one in distilled], student)},
        **{name: accuracies(one["held_out"]) | {"cost": costs(one["spent"], student)} for name, one in marks.items()},
        "difference": {name: differences(taught, one["held_out"]) for name, one in marks.items()},
        "teacher": accuracies([sides["plain"]["held_out"][f"mark{last}"] for sides in found.values()]),
        "cost_before": costs([total(one["stages"], [COLD]) for one in distilled], student),
        "cost_of_traces": costs([total(one["stages"], [DISTILL]) for one in distilled], model),
        "cost_of_teacher": costs([teacher_spent(sides) for sides in found.values()], model),
        "data_set": counts([one["data_sets"][DISTILL] for one in distilled]),
    }


def teacher_spent(sides: Found) -> Spent:
    """Its cold start and its reinforcement."""
    return total(sides["rounds"]["stages"], [COLD]) + mark_spent(sides["plain"]["marks"][-1])


def mark_spent(mark: Mapping[str, Any]) -> Spent:
    return Spent(sampled=mark["sampled"], trained=mark["trained"], seconds=mark["seconds"])


def accuracies(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Held-out accuracy over the seeds, with its interval."""
    return {mode: interval([one[mode]["accuracy"] for one in found]) for mode in MODES}


def differences(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first less the second, seed by seed."""
    pairs = list(zip(ours, theirs, strict=True))
    return {mode: interval([one[mode]["accuracy"] - two[mode]["accuracy"] for one, two in pairs]) for mode in MODES}


def costs(spent: Sequence[Spent], parameters: int) -> dict[str, list[float]]:
    """A value for each seed."""
    return {
        "flops": [one.flops(parameters) for one in spent],
        "tokens_sampled": [one.sampled for one in spent],
        "tokens_trained": [one.trained for one in spent],
        "seconds": [round(one.seconds, 2) for one in spent],
    }


def counts(found: Sequence[Mapping[str, Any]]) -> dict[str, list[int]]:
    """Of a data set, a value for each seed."""
    return {name: [one[name] for one in found] for name in COUNTS}


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What a person looks for first."""
    rounds, student = record["rounds"], record["student"]
    yield f"{'sampled, held out':<16}{'rounds':>8}{'95 %':>18}{'RL alone':>10}{'95 %':>18}{'paired':>8}{'95 %':>18}"
    if rounds["seeds"]:
        yield f"{'cold start':<16}{rounds['cold_start']['sampled']['mean']:>8.3f}"
        for name, point in rounds["points"].items():
            yield _line(name, point["rounds"], point["plain"], point["difference"])
    if student["seeds"]:
        yield f"{'student':<16}{'distilled':>8}"
        yield f"{'cold start':<16}{student['cold_start']['sampled']['mean']:>8.3f}"
        for name, paired in student["difference"].items():
            yield _line(name, student["distilled"], student[name], paired)
    for name, reason in record["missing"].items():
        yield f"{name}: {reason}"


def _line(name: str, *columns: Mapping[str, Any]) -> str:
    one, two, three = (column["sampled"] for column in columns)
    return (
        f"{name:<16}{one['mean']:>8.3f}{spread(one):>18}{two['mean']:>10.3f}{spread(two):>18}"
        f"{three['mean']:>+8.3f}{spread(three):>18}"
    )
