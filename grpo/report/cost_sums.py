"""The final run and everything below its run root, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grpo.cost.ledger import LEDGER_FILE, Tally, read_lines
from grpo.cost.project import ENDED
from grpo.cost.usage import Usage, usage_from
from grpo.report.read import RunData, mapping, number, text
from grpo.report.text import MISSING, count, duration, esc, figure, hours, money

SCROLL = '<div class="card scroll" role="region" aria-label="{label}" tabindex="0">'
JOULES_PER_KWH = 3.6e6


def live_tally(run: RunData) -> Tally | None:
    """The ledger of a run whose summary is not complete: still going on, or killed."""
    if run.status in ENDED:
        return None
    tally = Tally().add_all(read_lines(run.folder / LEDGER_FILE))
    return tally if tally.lines else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The final run and everything below its run root."""

    final: Usage
    loaded: Usage
    lost: Mapping[str, Any]
    """What the final run did twice."""
    loaded_entry: Mapping[str, Any]
    """`cost.loaded` as it was written."""
    currency: str

    def rows(self) -> list[tuple[str, str, str]]:
        """(what, final run, fully loaded); no money where neither has a price."""
        names = ["device-hours", "cost", "wall time", "tokens sampled", "tokens prompted", "tokens trained", "energy"]
        found = zip(names, _column(self.final, self.currency), _column(self.loaded, self.currency), strict=True)
        return [row for row in found if row[0] not in ("cost", "energy") or row[1:] != (MISSING, MISSING)]


def sides_of(run: RunData) -> Sides | None:
    """Both, with what a run still going on has used since its summary; None for a run without accounts."""
    cost = mapping(run.summary.get("cost"))
    written, loaded_entry = usage_from(mapping(cost.get("final"))), mapping(cost.get("loaded"))
    loaded, lost = usage_from(loaded_entry), mapping(mapping(cost.get("final")).get("lost"))
    if written is None or loaded is None:
        return None
    final, tally = written, live_tally(run)
    if tally is not None:
        final, lost = tally.used, tally.lost.entry() | {"steps": tally.lost_steps}
        loaded = _grown(loaded, written, final)
    currency = text(cost.get("currency"))
    return Sides(final=final, loaded=loaded, lost=lost, loaded_entry=loaded_entry, currency=currency)


def side_by_side(run: RunData) -> str:
    """Final run and fully loaded, never one without the other."""
    sides = sides_of(run)
    if sides is None:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td class="num">{esc(one)}</td><td class="num">{esc(other)}</td></tr>'
        for name, one, other in sides.rows()
    )
    head = (
        '<th scope="col"></th><th scope="col" class="num">final run</th><th scope="col" class="num">fully loaded</th>'
    )
    missing = sides.final.energy_missing
    lines = [*notes_on(sides), *([f"Energy is not known: {missing}."] if missing else [])]
    notes = "".join(f'<p class="caption">{esc(line)}</p>' for line in lines)
    return (
        f"{SCROLL.format(label='Final run and fully loaded')}<table><caption>Final run and fully loaded</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{notes}</div>"
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


def notes_on(sides: Sides) -> list[str]:
    """Sentences on what the two columns hold, energy aside."""
    lost, loaded = sides.lost, sides.loaded_entry
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
    unpriced, priced = number(loaded.get("unpriced_device_hours")), number(loaded.get("amount"))
    if unpriced and priced:
        lines.append(f"{hours(unpriced)} device-hours of them have no price in this currency.")
    return lines
