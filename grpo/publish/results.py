"""The part of a model card on what came out: evaluation and training curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grpo.publish.facts import CardFacts
from grpo.publish.markdown import code, table
from grpo.publish.public import public
from grpo.report.evaluation import reward_names, reward_of
from grpo.report.outcome import Accuracy, accuracies
from grpo.report.picture import drawing, last_curves
from grpo.report.read import interval, mapping, number, sequence, text
from grpo.report.series import Series
from grpo.report.text import MISSING, by_unit, count, percent, reward
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
    """Every evaluation of the run with its interval, its other rewards, and what was gained; this model's in bold."""
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
    note = f"\nBold is the model in this folder. {_drawn(facts)}\n"
    return f"## Evaluation\n\n{table(head, rows)}{note}{_rewards(facts)}{_gains(facts)}"


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


def _interval(one: Accuracy) -> str:
    return f" (95 % interval {one.interval}, {count(one.problems)} problems)" if one.interval else ""


def _drawn(facts: CardFacts) -> str:
    """How answers were sampled, as the evaluations say."""
    found = dict.fromkeys(
        (number(entry.get("temperature")), number(entry.get("top_p")))
        for raw in sequence(facts.run.summary.get("eval"))
        if (entry := mapping(raw)).get("mode") == "sampled"
    )
    words = [
        f"temperature {heat:g}" + (f", top-p {top_p:g}" if top_p not in (None, 1.0) else "")
        for heat, top_p in found
        if heat is not None
    ]
    return f"Sampled answers are drawn at {' and '.join(words)}, greedy ones take the likeliest token." if words else ""


def _rewards(facts: CardFacts) -> str:
    """A table of what the reward functions after the first gave."""
    entries = [mapping(raw) for raw in sequence(facts.run.summary.get("eval"))]
    names = reward_names(entries)
    rows = []
    for entry in entries:
        stage = text(entry.get("stage"))
        cells = [_reward(entry, name, facts.is_this_model(stage)) for name in names]
        if set(cells) != {MISSING}:
            rows.append((code(stage), text(entry.get("mode")), *cells))
    if not names:
        return ""
    words = "\nMeans of the other rewards over the same answers, with 95 % intervals over the problems:\n\n"
    return f"{words}{table(('stage', 'mode', *(code(public(name)) for name in names)), rows)}"


def _reward(entry: Mapping[str, Any], name: str, bold: bool) -> str:
    found = reward_of(entry, name)
    if found is None:
        return MISSING
    mark = "**" if bold else ""
    fewer = f", {count(found.problems)} problems" if found.problems != number(entry.get("n")) else ""
    within = f" ({found.interval}{fewer})" if found.interval else ""
    return f"{mark}{reward(found.mean)}{mark}{within}"


def _gains(facts: CardFacts) -> str:
    """A table of the paired gains."""
    rows = []
    for raw in sequence(facts.run.summary.get("eval_gain")):
        gain = mapping(raw)
        (low, high), value = interval(gain.get("ci95")), number(gain.get("gain"))
        if value is None or low is None or high is None:
            continue
        first, last = text(gain.get("from")), text(gain.get("to"))
        span = f"{code(first)} to {code(last)}{', first to last' if gain.get('whole') is True else ''}"
        points = f"{100 * value:+.1f}"
        if facts.is_this_model(last):
            points = f"**{points}**"
        rows.append((span, text(gain.get("mode")), points, f"{100 * low:+.1f} to {100 * high:+.1f}"))
    head = ("from, to", "mode", "gain, points", "paired 95 % interval")
    return f"\nGains on the same problems:\n\n{table(head, rows)}" if rows else ""


def _few(curve: Series) -> list[tuple[float, float]]:
    last = len(curve.steps) - 1
    places = sorted({round(part * last / (SHOWN_POINTS - 1)) for part in range(SHOWN_POINTS)})
    return [(curve.steps[place], curve.values[place]) for place in places]
