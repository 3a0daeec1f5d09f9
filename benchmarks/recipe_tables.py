"""Tables of docs/performance.md about stages of the recipe: the language reward, self-improvement and distillation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.learning_tables import mean, percent, short, signed, with_range

POINTS = {
    "rl1": "RL",
    "sft1": "rejection sampling, fine-tuning of the base",
    "rl2": "RL",
    "sft2": "rejection sampling, fine-tuning of the base",
    "rl3": "RL",
}
TAUGHT = {
    "rl": "own RL, as much as the fine-tuning",
    "rl_and_traces": "own RL, as much as fine-tuning and traces",
}


def language_table(record: Mapping[str, Any]) -> Iterator[str]:
    """Held-out consistency and accuracy of the cold starts and of both sides, and what the reward changes."""
    plan = record["plan"]
    yield (
        f"\nCold starts of {plan['cold_steps']} supervised steps, then {plan['steps']} rollouts of {plan['prompts']} "
        f"prompts × 8 completions; learning rate {plan['lr']:g}, weight of the language reward {plan['weight']:g}; "
        f"{plan['held_out']} held-out problems.\n"
    )
    names = {"cold start": record["cold_start"]}
    names |= {f"{side} the language reward": row for side, row in record["sides"].items()}
    for mode in ("sampled", "greedy"):
        yield f"| {mode} | consistency, each seed | mean, 95 % over seeds | accuracy, each seed | mean, 95 % | tokens |"
        yield "|---|---|---|---|---|---|"
        for name, row in names.items():
            if row["seeds"]:
                length = f"{row['length']['mean']:.1f}" if "length" in row else ""
                yield f"| {name} | {_figures(row[mode], percent, with_range)} | {length} |"
        if record["difference"]:
            paired, length = record["difference"][mode], _length(record["difference"]["length"])
            yield f"| with less without, points | {_figures(paired, _points, signed)} | {length} |"
        yield ""
    if record["missing"]:
        yield f"Not finished: {'; '.join(f'{name} ({short(why)})' for name, why in record['missing'].items())}."
    if record["sides"]:
        yield "![Consistency, accuracy and length over the steps, with and without the language reward](language.svg)"


def _figures(row: Mapping[str, Any], one: Callable[[float], str], ranged: Callable[[Mapping[str, Any]], str]) -> str:
    cells = [
        cell
        for figure in ("consistency", "accuracy")
        for cell in (", ".join(one(value) for value in row[figure]["values"]), ranged(row[figure]))
    ]
    return " | ".join(cells)


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _length(found: Mapping[str, Any]) -> str:
    ends = "" if found["ci95"] is None else " ({:+.1f} to {:+.1f})".format(*found["ci95"])
    return f"{found['mean']:+.1f}{ends}"


def improvement_table(record: Mapping[str, Any]) -> Iterator[str]:
    """The rounds beside reinforcement alone at each point's cost, and the student's two ways."""
    plan, sizes, parameters = record["plan"], record["plan"]["sizes"], record["parameters"]
    yield (
        f"\n{len(plan['seeds'])} seeds; a model of {parameters['model']:,} parameters, a student of "
        f"{parameters['student']:,}; {sizes['held_out']} held-out problems, {plan['samples']} samples of each. RL: "
        f"{sizes['prompts']} prompts × {sizes['completions']} completions a step, {plan['rl_steps']} steps between the "
        f"rounds, learning rate {plan['lr']:g}, constant."
    )
    if record["rounds"]["seeds"]:
        yield from _rounds(record["rounds"])
    if record["student"]["seeds"]:
        yield from _student(record["student"])
        yield "\n![Held-out accuracy over cost, rounds beside RL alone and the student's two ways](improvement.svg)"
    if record["missing"]:
        yield f"\nNot finished: {'; '.join(f'{name} ({short(why)})' for name, why in record['missing'].items())}."


def _rounds(part: Mapping[str, Any]) -> Iterator[str]:
    yield "\n**Rounds against RL alone from the same cold start, which is stopped at the same TFLOP**\n"
    head = ("the rounds, after", "TFLOP", "tokens sampled, trained", "seconds", "rounds", "RL alone", "seconds")
    yield f"| {' | '.join(head)} | paired: each seed |"
    yield "|---|---|---|---|---|---|---|---|"
    yield f"| cold start | 0 | | | {with_range(part['cold_start']['sampled'])} | the same | | |"
    for name, point in part["points"].items():
        cost, alone = point["rounds"]["cost"], point["plain"]["cost"]
        yield (
            f"| {POINTS[name]} | {_tera(cost)} | {_tokens(cost)} | {mean(cost['seconds']):.0f} | "
            f"{with_range(point['rounds']['sampled'])} | {with_range(point['plain']['sampled'])} | "
            f"{mean(alone['seconds']):.0f} | {_paired(point['difference']['sampled'])} |"
        )
    kept = [percent(_share(one, "kept", "sampled")) for one in part["data_sets"].values()]
    covered = [percent(_share(one, "problems_covered", "problems")) for one in part["data_sets"].values()]
    yield f"\nKept of what was sampled: {', '.join(kept)}; problems with a right answer: {', '.join(covered)}."


def _student(part: Mapping[str, Any]) -> Iterator[str]:
    before, traces, teacher = (part[f"cost_{name}"] for name in ("before", "of_traces", "of_teacher"))
    yield (
        f"\n**A smaller student: taught, against its own RL** (from its cold start; teacher: "
        f"{with_range(part['teacher']['sampled'])} sampled)\n"
    )
    head = (
        "student's TFLOP",
        "fully loaded TFLOP",
        "seconds",
        "sampled",
        "greedy",
        "distilled less this, paired: each seed",
    )
    yield f"| | {' | '.join(head)} |"
    yield "|---|---|---|---|---|---|---|"
    yield f"| cold start | 0 | {_tera(before)} | | {_both(part['cold_start'])} | |"
    rows = {"distilled": "distilled: fine-tuned on the teacher's right answers", **TAUGHT}
    for name, title in rows.items():
        row, paired = part[name], part["difference"].get(name)
        loaded = _tera(before, row["cost"], *((traces, teacher) if name == "distilled" else ()))
        against = "" if paired is None else _paired(paired["sampled"])
        yield (
            f"| {title} | {_tera(row['cost'])} | {loaded} | {mean(row['cost']['seconds']):.0f} | {_both(row)} | "
            f"{against} |"
        )
    yield (
        f"\nFully loaded counts the student's cold start and, for the distilled one, {_tera(traces)} TFLOP of traces "
        f"({percent(_share(part['data_set'], 'kept', 'sampled'))} kept) and {_tera(teacher)} of the teacher's own."
    )


def _paired(found: Mapping[str, Any]) -> str:
    """Mean and interval, and each seed's difference, in points."""
    return f"{signed(found)}: {', '.join(_points(value) for value in found['values'])}"


def _tera(*costs: Mapping[str, Any]) -> str:
    return f"{sum(mean(cost['flops']) for cost in costs) / 1e12:.2f}"


def _tokens(cost: Mapping[str, Any]) -> str:
    return f"{mean(cost['tokens_sampled']) / 1e3:,.0f} k, {mean(cost['tokens_trained']) / 1e3:,.0f} k"


def _both(row: Mapping[str, Any]) -> str:
    return f"{with_range(row['sampled'])} | {percent(row['greedy']['mean'])}"


def _share(counts: Mapping[str, Sequence[int]], part: str, whole: str) -> float:
    return sum(counts[part]) / sum(counts[whole])
