"""The part of a model card on what the model cost, up to its export."""

from __future__ import annotations

from grpo.cost.arithmetic import per
from grpo.publish.facts import CardFacts
from grpo.publish.markdown import code, table
from grpo.report.cost import is_priced, run_total, stage_costs
from grpo.report.cost_results import UNFINISHED, estimate_words, point_costs
from grpo.report.cost_sums import notes_on, sides_of
from grpo.report.read import mapping, number
from grpo.report.text import MISSING, count, duration, hours, money, size


def cost_section(facts: CardFacts) -> str:
    """Per stage and in all, the final run beside everything around it, per point of accuracy, and the estimate."""
    parts = [_stages(facts), _sides(facts), _points(facts), _estimate(facts)]
    found = [part for part in parts if part]
    return "## Cost\n\n" + "\n".join(found) if found else ""


def _stages(facts: CardFacts) -> str:
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
    if not is_priced(facts.run):
        head, rows = head[:-1], [row[:-1] for row in rows]
    return table(head, rows)


def _sides(facts: CardFacts) -> str:
    sides = sides_of(facts.run)
    if sides is None:
        return ""
    lines = notes_on(sides)
    if number(sides.loaded_entry.get("running")):
        lines.append("This run is counted as running: the card was written by it.")
    if sides.final.energy_missing:
        lines.append("Energy was not measured.")
    both = table(("", "final run", "fully loaded"), sides.rows())
    return f"### Final run and fully loaded\n\n{both}\n{' '.join(lines)}\n"


def _points(facts: CardFacts) -> str:
    cost = mapping(facts.run.summary.get("cost"))
    currency = run_total(facts.run).currency
    found = [one for one in point_costs(cost) if one.between.device_hours is not None]
    priced = any(one.between.amount is not None for one in found)
    rows: list[tuple[str, ...]] = []
    for one in found:
        (time, amount), (loaded_time, loaded_amount) = one.between.cells(currency), one.loaded.cells(currency)
        amounts = (amount, loaded_amount) if priced else ()
        span = f"{code(one.first)} to {code(one.last)}{', first to last' if one.whole else ''}"
        rows.append((span, one.mode, one.gain, one.interval or MISSING, time, loaded_time, *amounts))
    head: tuple[str, ...] = (
        "from, to",
        "mode",
        "points gained",
        "95 % interval",
        "device time a point",
        "device time, fully loaded",
    )
    head += ("money a point", "money, fully loaded") if priced else ()
    note = (
        "\nA point of accuracy costs what every stage between the two evaluations used, other evaluations and "
        "the making of data among them. Where the interval holds 0 the gain may be "
        "chance. A pair without a gain has no price.\n"
    )
    return f"### Cost of a point of accuracy\n\n{table(head, rows)}{note}" if rows else ""


def _estimate(facts: CardFacts) -> str:
    cost, sides = mapping(facts.run.summary.get("cost")), sides_of(facts.run)
    planned = number(mapping(cost.get("estimate")).get("device_hours"))
    ratio = per(sides.final.device_hours, planned) if sides is not None and planned else None
    so_far = "" if ratio is None else f"up to the export it took {ratio:.2f} times that"
    words = estimate_words(cost, so_far or UNFINISHED)
    return f"{words}\n" if words else ""
