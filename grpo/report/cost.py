"""Where the time and the money went, per stage and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grpo.cost.ledger import StageUse
from grpo.report.cost_sums import live_tally
from grpo.report.read import RunData, mapping, number, sequence, text
from grpo.report.text import count, duration, esc, hours, money, size

PARTS = ("rollout", "reward", "update", "sync", "checkpoint")
OTHER = "other"
OUTSIDE = "outside stages"
"""Starting, estimating, closing."""
SCROLL = '<div class="card scroll" role="region" aria-label="Cost" tabindex="0">'


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCost:
    """What one stage used; None: not known."""

    name: str
    kind: str
    wall_seconds: float | None
    tokens_sampled: float | None
    tokens_trained: float | None
    peak_memory_bytes: float | None
    device_hours: float | None
    cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTotal:
    """What a run used in all; None: not known."""

    wall_seconds: float | None
    device_hours: float | None
    cost: float | None
    currency: str


def stage_costs(run: RunData) -> list[StageCost]:
    """Stages of `summary.json` in pipeline order; what is not there yet is taken from the metrics."""
    written = mapping(run.summary.get("stages"))
    seen = [span.name for span in run.stages()]
    pipeline = [text(name) for name in sequence(run.config.get("pipeline"))]
    names = dict.fromkeys(name for name in (*pipeline, *seen, *written) if name in written or name in seen)
    tally = live_tally(run)
    under_way = {} if tally is None else tally.stages
    names |= dict.fromkeys(name for name in under_way if name)
    found = [
        _written(name, mapping(written[name])) if name in written else _measured(run, name, under_way.get(name))
        for name in names
    ]
    outside = mapping(mapping(run.summary.get("cost")).get("outside_stages"))
    return [*found, _written(OUTSIDE, outside)] if number(outside.get("wall_seconds")) else found


def time_split(run: RunData) -> str:
    """One stacked bar per stage: seconds by phase."""
    bars = []
    for span in run.stages():
        seconds = _phases(run, span.name)
        total = sum(seconds.values())
        if total > 0:
            bars.append(_bar(span.name, seconds, total))
    if not bars:
        return '<p class="note">No step times have been logged yet.</p>'
    legend = "".join(f'<span class="key t{place}">{part}</span>' for place, part in enumerate((*PARTS, OTHER)))
    return (
        f'<div class="card"><h3>Where each stage\'s time went</h3><div class="legend">{legend}</div>{"".join(bars)}'
        '<p class="caption">Rollout is sampling, update is learning; in a healthy run these two dominate. '
        "Much reward time means a slow reward function, much sync or checkpoint time a slow disk or bus.</p></div>"
    )


def cost_table(run: RunData) -> str:
    """Seconds, tokens, memory, device-hours and money per stage, and their sum."""
    stages = stage_costs(run)
    if not stages:
        return ""
    used = run_total(run)
    currency = used.currency if is_priced(run) else None
    whole = StageCost(
        name="total",
        kind="",
        wall_seconds=used.wall_seconds,
        tokens_sampled=_sum([s.tokens_sampled for s in stages]),
        tokens_trained=_sum([s.tokens_trained for s in stages]),
        peak_memory_bytes=max((s.peak_memory_bytes for s in stages if s.peak_memory_bytes is not None), default=None),
        device_hours=used.device_hours,
        cost=used.cost,
    )
    heads: tuple[str, ...] = ("stage", "wall time", "tokens sampled", "tokens trained", "peak memory", "device-hours")
    heads += () if currency is None else ("cost",)
    rows = "".join(_row(stage, "td", currency) for stage in stages)
    head = "".join(
        f'<th scope="col"{"" if place == 0 else " class=num"}>{name}</th>' for place, name in enumerate(heads)
    )
    return (
        f"{SCROLL}<table><caption>Cost per stage</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody><tfoot>{_row(whole, 'th', currency)}</tfoot></table>{memory_line(run)}</div>"
    )


def memory_line(run: RunData) -> str:
    """The peak above what the libraries took, beside the dry run's estimate of it; empty where either is not known."""
    memory = mapping(run.summary.get("memory"))
    measured, estimated = number(memory.get("peak_over_base_bytes")), number(memory.get("estimated_bytes"))
    if measured is None or estimated is None:
        return ""
    return (
        f'<p class="caption">Peak memory above the libraries: {size(measured)}; the dry run estimates '
        f"{size(estimated)}.</p>"
    )


def run_total(run: RunData) -> RunTotal:
    """What the whole run used: `cost` of the summary, else the sum of its stages."""
    stages, tally = stage_costs(run), live_tally(run)
    total = mapping(run.summary.get("cost"))
    if tally is not None:
        total = {**total, "device_hours": tally.used.device_hours, "amount": tally.used.amount}
    return RunTotal(
        wall_seconds=_sum([stage.wall_seconds for stage in stages]),
        device_hours=_first(number(total.get("device_hours")), _sum([stage.device_hours for stage in stages])),
        cost=_first(number(total.get("amount")), _sum([stage.cost for stage in stages])) if is_priced(run) else None,
        currency=text(total.get("currency")),
    )


def is_priced(run: RunData) -> bool:
    """Whether device-hours have a price: an amount of 0 would say that the run cost nothing."""
    cost = mapping(run.config.get("cost"))
    if "price_per_device_hour" in cost:
        return bool(number(cost["price_per_device_hour"]))
    return bool(number(mapping(run.summary.get("cost")).get("amount")))


def sum_totals(totals: Sequence[RunTotal]) -> RunTotal:
    """Several runs together; what is not known of a run adds nothing."""
    return RunTotal(
        wall_seconds=_sum([one.wall_seconds for one in totals]),
        cost=_sum([one.cost for one in totals]),
        device_hours=_sum([one.device_hours for one in totals]),
        currency=next((one.currency for one in totals if one.currency), ""),
    )


def _row(stage: StageCost, cell: str, currency: str | None) -> str:
    """`currency` None: no column for money."""
    kind = f"<small>{esc(stage.kind)}</small>" if stage.kind else ""
    values = [
        duration(stage.wall_seconds),
        count(stage.tokens_sampled),
        count(stage.tokens_trained),
        size(stage.peak_memory_bytes),
        hours(stage.device_hours),
    ]
    if currency is not None:
        values.append(money(stage.cost, esc(currency)))
    cells = "".join(f'<{cell} class="num">{value}</{cell}>' for value in values)
    return f'<tr><th scope="row">{esc(stage.name)} {kind}</th>{cells}</tr>'


def _written(name: str, entry: Mapping[str, object]) -> StageCost:
    """By what the stage used in all, steps done twice included, where the summary knows that."""
    entry = {**entry, **mapping(entry.get("used"))}
    return StageCost(
        name=name,
        kind=text(entry.get("kind")),
        wall_seconds=number(entry.get("wall_seconds")),
        tokens_sampled=number(entry.get("tokens_sampled")),
        tokens_trained=number(entry.get("tokens_trained")),
        peak_memory_bytes=number(entry.get("peak_memory_bytes")),
        device_hours=number(entry.get("device_hours")),
        cost=_first(number(entry.get("amount")), number(entry.get("cost"))),
    )


def _measured(run: RunData, name: str, use: StageUse | None) -> StageCost:
    """Of a stage that has not ended: by the ledger, else the steps' times."""
    rows = [row.values for row in run.rows if row.stage == name]
    return StageCost(
        name=name,
        kind="so far",
        wall_seconds=use.used.wall_seconds if use else _sum([row.get("step_time") for row in rows]),
        tokens_sampled=use.used.tokens_sampled if use else None,
        tokens_trained=use.used.tokens_trained if use else None,
        device_hours=use.used.device_hours if use else None,
        cost=use.used.amount if use else None,
        peak_memory_bytes=max(
            (row["memory/peak_rss_bytes"] for row in rows if "memory/peak_rss_bytes" in row), default=None
        ),
    )


def _phases(run: RunData, stage: str) -> dict[str, float]:
    seconds = dict.fromkeys((*PARTS, OTHER), 0.0)
    for row in run.rows:
        if row.stage != stage:
            continue
        parts = {part: max(0.0, row.values.get(f"time/{part}", 0.0)) for part in PARTS}
        for part, value in parts.items():
            seconds[part] += value
        # A checkpoint is written after the step, outside its step_time.
        inside = sum(parts.values()) - parts["checkpoint"]
        seconds[OTHER] += max(0.0, row.values.get("step_time", 0.0) - inside)
    return seconds


def _bar(name: str, seconds: dict[str, float], total: float) -> str:
    shares = [(part, value, 100 * value / total) for part, value in seconds.items() if value > 0]
    words = ", ".join(f"{part} {duration(value)} ({share:.0f} %)" for part, value, share in shares)
    places = {part: place for place, part in enumerate(seconds)}
    pieces = "".join(
        f'<span class="fill t{places[part]}" style="width:{share:.2f}%" title="{part} {duration(value)}">'
        f"{f'{share:.0f} %' if share >= 9 else ''}</span>"
        for part, value, share in shares
    )
    return (
        f'<div class="split"><b>{esc(name)}</b><span class="total">{duration(total)}</span>'
        f'<div class="bar" role="img" aria-label="{esc(f"{name}: {words}")}">{pieces}</div></div>'
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _first(value: float | None, otherwise: float | None) -> float | None:
    return otherwise if value is None else value
