"""The final run and everything below its run root side by side, what a result cost, and how good the estimate was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grpo.cost.ledger import LEDGER_FILE, Tally, read_lines
from grpo.cost.project import ENDED
from grpo.cost.usage import Usage, usage_from
from grpo.report.read import RunData, mapping, number, sequence, text
from grpo.report.text import MISSING, count, duration, esc, figure, hours, money

SCROLL = '<div class="card scroll" role="region" aria-label="{label}" tabindex="0">'
JOULES_PER_KWH = 3.6e6


def live_tally(run: RunData) -> Tally | None:
    """The ledger of a run whose summary is not complete: still going on, or killed."""
    if run.status in ENDED:
        return None
    tally = Tally().add_all(read_lines(run.folder / LEDGER_FILE))
    return tally if tally.lines else None


def cost_sums(run: RunData) -> str:
    """All tables; empty for a run without accounts."""
    cost = mapping(run.summary.get("cost"))
    currency = esc(text(cost.get("currency")))
    return side_by_side(run) + _results(cost, currency) + _estimate(mapping(cost.get("estimate")), currency)


def side_by_side(run: RunData) -> str:
    """Final run and fully loaded, never one without the other."""
    cost = mapping(run.summary.get("cost"))
    written, loaded_entry = usage_from(mapping(cost.get("final"))), mapping(cost.get("loaded"))
    loaded, lost = usage_from(loaded_entry), mapping(mapping(cost.get("final")).get("lost"))
    if written is None or loaded is None:
        return ""
    final, tally = written, live_tally(run)
    if tally is not None:
        final, lost = tally.used, tally.lost.entry() | {"steps": tally.lost_steps}
        loaded = _grown(loaded, written, final)
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td class="num">{one}</td><td class="num">{other}</td></tr>'
        for name, one, other in zip(*_columns(final, loaded, esc(text(cost.get("currency")))), strict=True)
    )
    head = (
        '<th scope="col"></th><th scope="col" class="num">final run</th><th scope="col" class="num">fully loaded</th>'
    )
    return (
        f"{SCROLL.format(label='Final run and fully loaded')}<table><caption>Final run and fully loaded</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{_notes(final, lost, loaded_entry)}</div>"
    )


def _grown(loaded: Usage, written: Usage, final: Usage) -> Usage:
    """With what the run has used since its summary was written."""
    amount = None
    if loaded.amount is not None and written.amount is not None and final.amount is not None:
        amount = loaded.amount - written.amount + final.amount
    entry = loaded.entry() | {"amount": amount, "energy_joules": None}
    for key in ("wall_seconds", "device_hours", "tokens_sampled", "tokens_prompted", "tokens_trained"):
        entry[key] = getattr(loaded, key) - getattr(written, key) + getattr(final, key)
    return usage_from(entry) or loaded


def _columns(final: Usage, loaded: Usage, currency: str) -> tuple[list[str], list[str], list[str]]:
    names = ["device-hours", "cost", "wall time", "tokens sampled", "tokens prompted", "tokens trained", "energy"]
    return names, _column(final, currency), _column(loaded, currency)


def _column(usage: Usage, currency: str) -> list[str]:
    tokens = (usage.tokens_sampled, usage.tokens_prompted, usage.tokens_trained)
    energy = MISSING if usage.energy_joules is None else f"{figure(usage.energy_joules / JOULES_PER_KWH)} kWh"
    return [
        hours(usage.device_hours),
        money(usage.amount, currency),
        duration(usage.wall_seconds),
        *(count(number) for number in tokens),
        energy,
    ]


def _notes(final: Usage, lost: Mapping[str, Any], loaded: Mapping[str, Any]) -> str:
    lines = []
    if steps := number(lost.get("steps")):
        lines.append(
            f"In the final run: {count(steps)} step(s), {duration(number(lost.get('wall_seconds')))}, that a kill made "
            "it do again."
        )
    named = ("finished", "failed", "interrupted", "stopped", "killed", "running")
    by_status = [f"{count(found)} {name}" for name in named if (found := number(loaded.get(name)))]
    lines.append(
        f"Fully loaded: all {count(number(loaded.get('runs')))} run(s) of the run root when this run last wrote its "
        f"summary ({', '.join(by_status)})."
    )
    if unpriced := number(loaded.get("unpriced_device_hours")):
        lines.append(f"{hours(unpriced)} device-hours of them have no price in this currency.")
    if final.energy_missing:
        lines.append(f"Energy is not known: {esc(final.energy_missing)}.")
    return "".join(f'<p class="caption">{line}</p>' for line in lines)


def _results(cost: Mapping[str, Any], currency: str) -> str:
    rows = []
    for raw in sequence(cost.get("per_point")):
        entry = mapping(raw)
        rows.append(
            (
                f"a point of accuracy, {esc(text(entry.get('mode')))}, {esc(text(entry.get('from')))} to "
                f"{esc(text(entry.get('to')))} ({_points(entry)})",
                *_pair(entry, "", currency),
                *_pair(entry, "loaded_", currency),
            )
        )
    for raw in sequence(cost.get("per_answer")):
        entry = mapping(raw)
        name, right = esc(text(entry.get("stage"))), count(number(entry.get("right_answers")))
        rows.append((f"a right answer in {name} ({right})", *_pair(entry, "", currency), "", ""))
    if not rows:
        return ""
    heads = ("device-hours", "cost", "device-hours, loaded", "cost, loaded")
    head = '<th scope="col">of</th>' + "".join(f'<th scope="col" class="num">{name}</th>' for name in heads)
    return (
        f"{SCROLL.format(label='Cost of the result')}<table><caption>Cost of the result</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(_row(row) for row in rows)}</tbody></table>"
        '<p class="caption">A point costs what the stages between the two evaluations used; loaded: what all runs of '
        "the run root used. A right answer costs what its evaluation used. Nothing gained: no price.</p></div>"
    )


def _points(entry: Mapping[str, Any]) -> str:
    points, ends = number(entry.get("points")), [number(end) for end in sequence(entry.get("ci95"))]
    if points is None or len(ends) != 2 or ends[0] is None or ends[1] is None:
        return MISSING
    return f"{points:+.1f}, 95 % interval {100 * ends[0]:+.1f} to {100 * ends[1]:+.1f}"


def _pair(entry: Mapping[str, Any], prefix: str, currency: str) -> tuple[str, str]:
    amount = number(entry.get(f"{prefix}amount"))
    return figure(number(entry.get(f"{prefix}device_hours"))), (
        MISSING if amount is None else f"{figure(amount)} {currency}"
    )


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    return f'<tr><th scope="row">{first}</th>' + "".join(f'<td class="num">{cell}</td>' for cell in others) + "</tr>"


def _estimate(estimate: Mapping[str, Any], currency: str) -> str:
    planned, ratio = number(estimate.get("device_hours")), number(estimate.get("actual_over_estimate"))
    if planned is None:
        return ""
    amount = number(estimate.get("amount"))
    money_words = "" if amount is None else f", {money(amount, currency)}"
    basis = esc(text(estimate.get("basis")))
    by = f"{count(number(estimate.get('runs')))} earlier run(s)" if basis == "past runs" else basis
    off = "the run has not finished" if ratio is None else f"it took {ratio:.2f} times that"
    return (
        f'<p class="caption">Estimated before the start: {figure(planned)} device-hours{money_words}, by {by}; {off}.'
        "</p>"
    )
