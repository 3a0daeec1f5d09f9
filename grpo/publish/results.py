"""The part of a model card on what came out: evaluation, training curve, cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grpo.publish.facts import CardFacts
from grpo.publish.markdown import code, flat, shown, table
from grpo.report.cost import run_total, stage_costs
from grpo.report.outcome import Accuracy, accuracies
from grpo.report.picture import drawing, last_curves
from grpo.report.read import mapping, number, sequence, text
from grpo.report.series import Series
from grpo.report.text import by_unit, count, duration, hours, money, percent, size
from grpo.track.names import describe

CURVE_FILE = "training_curve.svg"
SHOWN_POINTS = 5
"""Steps of the curve that the table beside the picture gives."""


def headline(facts: CardFacts) -> str:
    """The exported model's accuracies in a sentence."""
    found = facts.of_this_model()
    if not found:
        return "This very model was not evaluated in its run.\n"
    words = [f"{percent(one.value)} {one.mode}{_interval(one)}" for one in found]
    return f"Held-out accuracy: {'; '.join(words)}.\n"


def evaluation_section(facts: CardFacts) -> str:
    """Every evaluation of the run with its interval; those of this model in bold."""
    rows = []
    for one in accuracies(facts.run):
        mark = "**" if facts.is_this_model(one.stage) else ""
        value = f"{mark}{percent(one.value)}{mark}"
        rows.append(
            (code(one.stage), one.split, one.mode, value, one.interval, count(one.problems), count(one.samples))
        )
    if not rows:
        return "## Evaluation\n\nThe run made no evaluation.\n"
    head = ("stage", "split", "mode", "accuracy", "95 % interval", "problems", "samples per problem")
    gains = "".join(line for raw in sequence(facts.run.summary.get("eval_gain")) if (line := _gain(mapping(raw))))
    note = "\nBold is the model in this folder. Sampled answers are drawn at temperature 1, greedy ones at 0.\n"
    return f"## Evaluation\n\n{table(head, rows)}{note}{gains}"


def curve_section(facts: CardFacts) -> tuple[str, str | None]:
    """The section and the picture's SVG; (nothing, None) when the run has no curve yet."""
    found = last_curves([facts.run])
    if found is None:
        return "", None
    name, curves = found
    metric = describe(name)
    rows = [(f"{step:g}", by_unit(value, metric.unit if metric else "")) for step, value in _few(curves[0])]
    words = f"{code(name)} over the steps of {code(curves[0].stages[-1])}: single steps, not smoothed."
    picture = f"![{name} over the steps]({CURVE_FILE})\n"
    return f"## Training curve\n\n{picture}\n{words}\n\n{table(('step', name), rows)}", drawing(name, curves)


def cost_section(facts: CardFacts) -> str:
    """Time, tokens, device-hours and money per stage and in all, up to the export."""
    stages = stage_costs(facts.run)
    if not stages:
        return ""
    total = run_total(facts.run)
    rows: list[tuple[str, ...]] = [
        (
            code(one.name), duration(one.wall_seconds), count(one.tokens_sampled), count(one.tokens_trained),
            size(one.peak_memory_bytes), hours(one.device_hours), money(one.cost, total.currency),
        )
        for one in stages
    ]  # fmt: skip
    rows.append(("total", duration(total.wall_seconds), "", "", "", hours(total.device_hours),
                 money(total.cost, total.currency)))  # fmt: skip
    head: tuple[str, ...] = ("stage", "time", "tokens sampled", "tokens trained", "peak memory", "device-hours", "cost")
    priced = number(mapping(facts.config.get("cost")).get("price_per_device_hour"))
    if not priced:  # an amount of 0 would say that it cost nothing
        head, rows = head[:-1], [row[:-1] for row in rows]
    more = _more_cost(mapping(facts.run.summary.get("cost")))
    return f"## Cost\n\n{table(head, rows)}{more}"


def _more_cost(cost: Mapping[str, Any]) -> str:
    """Numbers of the summary's `cost` that the table has not got, such as those of other runs."""
    known = {"device_hours", "amount", "currency"}
    numbers = [(path, value) for path, value in flat(cost) if path not in known and number(value) is not None]
    return "".join(["\n", *(f"- {code(path)}: {shown(value)}\n" for path, value in numbers)]) if numbers else ""


def _interval(one: Accuracy) -> str:
    return f" (95 % interval {one.interval}, {count(one.problems)} problems)" if one.interval else ""


def _gain(gain: Mapping[str, Any]) -> str:
    ends = [number(end) for end in sequence(gain.get("ci95"))]
    value = number(gain.get("gain"))
    if value is None or len(ends) != 2 or ends[0] is None or ends[1] is None:
        return ""
    return (
        f"\nFrom {code(text(gain.get('from')))} to {code(text(gain.get('to')))}, {text(gain.get('mode'))}: "
        f"{100 * value:+.1f} points on the same problems (paired 95 % interval {100 * ends[0]:+.1f} to "
        f"{100 * ends[1]:+.1f}).\n"
    )


def _few(curve: Series) -> list[tuple[float, float]]:
    last = len(curve.steps) - 1
    places = sorted({round(part * last / (SHOWN_POINTS - 1)) for part in range(SHOWN_POINTS)})
    return [(curve.steps[place], curve.values[place]) for place in places]
