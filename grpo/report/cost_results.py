"""What a result cost: per point of accuracy and per right answer; and how good the estimate was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.report.cost_sums import SCROLL, side_by_side
from grpo.report.read import RunData, interval, mapping, number, sequence, text
from grpo.report.text import MISSING, count, device_time, esc, figure, money

UNFINISHED = "the run has not finished"
LEAST_WITH_DECIMALS = 1e-3
"""Smaller amounts of money are given by their figures: four decimals would leave little of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of one point or one answer; None: not known, or there is none."""

    device_hours: float | None
    amount: float | None

    def cells(self, currency: str) -> tuple[str, str]:
        """Device time and money, in words."""
        small = self.amount is not None and 0 < self.amount < LEAST_WITH_DECIMALS
        amount = f"{figure(self.amount)} {currency}".strip() if small else money(self.amount, currency)
        return device_time(self.device_hours), amount


@dataclass(frozen=True, slots=True, kw_only=True)
class PointCost:
    """One entry of `cost.per_point` in `summary.json`."""

    first: str
    last: str
    mode: str
    points: float | None
    low: float | None
    """Of the gain's paired 95 % interval, points."""
    high: float | None
    whole: bool
    """From the first to the last evaluation of the same problems."""
    stages: tuple[str, ...]
    """What lies between the two and is paid for."""
    between: Price
    loaded: Price

    @property
    def gain(self) -> str:
        """`+43.3`."""
        return MISSING if self.points is None else f"{self.points:+.1f}"

    @property
    def interval(self) -> str:
        """`+38.1 to +48.4`, or nothing."""
        return "" if self.low is None or self.high is None else f"{self.low:+.1f} to {self.high:+.1f}"


def point_costs(cost: Mapping[str, Any]) -> list[PointCost]:
    """In the order of the evaluations, first to last at the end."""
    found = []
    for raw in sequence(cost.get("per_point")):
        entry = mapping(raw)
        low, high = (None if end is None else 100 * end for end in interval(entry.get("ci95")))
        found.append(
            PointCost(
                first=text(entry.get("from")),
                last=text(entry.get("to")),
                mode=text(entry.get("mode")),
                points=number(entry.get("points")),
                low=low,
                high=high,
                whole=entry.get("whole") is True,
                stages=tuple(text(name) for name in sequence(entry.get("stages"))),
                between=_price(entry, ""),
                loaded=_price(entry, "loaded_"),
            )
        )
    return found


def cost_sums(run: RunData) -> str:
    """All tables of sums; empty for a run without accounts."""
    cost = mapping(run.summary.get("cost"))
    estimate = estimate_words(cost)
    return side_by_side(run) + _results(cost) + (f'<p class="caption">{esc(estimate)}</p>' if estimate else "")


def estimate_words(cost: Mapping[str, Any], unfinished: str = UNFINISHED) -> str:
    """A sentence on the estimate and how far off it was, or `unfinished`; nothing where there was none."""
    estimate, currency = mapping(cost.get("estimate")), text(cost.get("currency"))
    planned, ratio = number(estimate.get("device_hours")), number(estimate.get("actual_over_estimate"))
    if planned is None:
        return ""
    amount = number(estimate.get("amount"))
    money_words = "" if amount is None else f", {money(amount, currency)}"
    basis = text(estimate.get("basis"))
    by = f"{count(number(estimate.get('runs')))} earlier run(s)" if basis == "past runs" else basis
    off = unfinished if ratio is None else f"it took {ratio:.2f} times that"
    return f"Estimated before the start: {device_time(planned)} of device time{money_words}, by {by}; {off}."


def _price(entry: Mapping[str, Any], prefix: str) -> Price:
    return Price(device_hours=number(entry.get(f"{prefix}device_hours")), amount=number(entry.get(f"{prefix}amount")))


def _results(cost: Mapping[str, Any]) -> str:
    currency = text(cost.get("currency"))
    rows = [_point_row(one, currency) for one in point_costs(cost)]
    for raw in sequence(cost.get("per_answer")):
        entry = mapping(raw)
        name, right = text(entry.get("stage")), count(number(entry.get("right_answers")))
        rows.append((esc(f"a right answer in {name} ({right})"), *_price(entry, "").cells(currency), "", ""))
    if not rows:
        return ""
    priced = any(cell not in ("", MISSING) for row in rows for cell in (row[2], row[4]))
    heads = ["of", "device time", "cost", "device time, loaded", "cost, loaded"]
    kept = [place for place in range(len(heads)) if priced or place not in (2, 4)]
    numeric = "".join(f'<th scope="col" class="num">{heads[place]}</th>' for place in kept[1:])
    return (
        f"{SCROLL.format(label='Cost of the result')}<table><caption>Cost of the result</caption>"
        f'<thead><tr><th scope="col">{heads[0]}</th>{numeric}</tr></thead>'
        f"<tbody>{''.join(_row([row[place] for place in kept]) for row in rows)}</tbody></table>"
        '<p class="caption">A point costs what all stages between the two evaluations used, evaluations and the making '
        "of data among them; loaded: what all runs of the run root used. A right answer costs what its evaluation "
        "used. Nothing gained: no price.</p></div>"
    )


def _point_row(one: PointCost, currency: str) -> tuple[str, str, str, str, str]:
    interval = f", 95 % interval {one.interval}" if one.interval else ""
    what = esc(f"a point of accuracy, {one.mode}, {one.first} to {one.last} ({one.gain}{interval})")
    label = f"{what} <small>first to last evaluation</small>" if one.whole else what
    return label, *one.between.cells(currency), *one.loaded.cells(currency)


def _row(cells: Sequence[str]) -> str:
    """The first cell is HTML, the others are text."""
    first, *others = cells
    numbers = "".join(f'<td class="num">{esc(cell)}</td>' for cell in others)
    return f'<tr><th scope="row">{first}</th>{numbers}</tr>'
