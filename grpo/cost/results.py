"""What a result cost: per point of accuracy gained, and per right answer to a held-out problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grpo.cost.arithmetic import per
from grpo.cost.usage import Usage, total
from grpo.track.loose import mapping, number, text

POINTS = 100.0


def per_point(
    gains: Sequence[Mapping[str, Any]], used: Mapping[str, Usage], pipeline: Sequence[str], loaded: Usage
) -> list[dict[str, Any]]:
    """For each entry of `eval_gain`: the cost of the stages between its two evaluations, and of everything, per point.

    Between them lies every stage that the pipeline has after the first evaluation and before the second: training, data
    made from models, other evaluations (`stages` names them); the two themselves are not counted. None where nothing
    was gained, or nothing has a price. `ci95` of the gain is handed on: a gain whose interval holds 0 may be chance,
    and so may its price.
    """
    found = []
    for gain in gains:
        points = POINTS * (number(gain.get("gain")) or 0.0)
        names = [name for name in _between(gain, pipeline) if name in used]
        between = total(used[name] for name in names)
        found.append(
            {
                **{key: gain.get(key) for key in ("from", "to", "mode", "ci95")},
                "whole": gain.get("whole") is True,
                "stages": names,
                "points": points,
                "device_hours": per(between.device_hours, points),
                "amount": per(between.amount, points),
                "loaded_device_hours": per(loaded.device_hours, points),
                "loaded_amount": per(loaded.amount, points),
            }
        )
    return found


def per_answer(evaluations: Sequence[Mapping[str, Any]], used: Mapping[str, Usage]) -> list[dict[str, Any]]:
    """For each evaluating stage: what it used per right answer it got, all its modes together."""
    right: dict[str, float] = {}
    for raw in evaluations:
        entry = mapping(raw)
        answers = (number(entry.get("n")) or 0.0) * (number(entry.get("samples_per_problem")) or 0.0)
        name = text(entry.get("stage"))
        right[name] = right.get(name, 0.0) + (number(entry.get("accuracy")) or 0.0) * answers
    return [
        {
            "stage": name,
            "right_answers": round(answers),
            "device_hours": per(used[name].device_hours, round(answers)),
            "amount": per(used[name].amount, round(answers)),
        }
        for name, answers in right.items()
        if name in used
    ]


def _between(gain: Mapping[str, Any], pipeline: Sequence[str]) -> Sequence[str]:
    first, last = gain.get("from"), gain.get("to")
    if first not in pipeline or last not in pipeline:
        return ()
    return pipeline[pipeline.index(first) + 1 : pipeline.index(last)]
