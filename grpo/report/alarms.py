"""Alarms of a run: where they rang, as marks on the curves and as a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grpo.report.read import RunData, mapping, number, sequence, text
from grpo.report.text import count, esc

PREFIX = "alarm/"
MOST_LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A ring; `number` joins its mark on a curve to its line in the list."""

    number: int
    name: str
    stage: str
    step: int
    last: int
    """Last step at which it was on."""
    text: str


def marks(run: RunData) -> tuple[Mark, ...]:
    """Rings in the order of their steps, read from the metrics: they are there even when a run was killed."""
    texts = {}
    for raw in sequence(run.summary.get("alarms")):
        entry = mapping(raw)
        texts[text(entry.get("name")), number(entry.get("step"))] = text(entry.get("text"))
    spans = sorted(_spans(run), key=lambda span: span[2])
    return tuple(
        Mark(number=place, name=name, stage=stage, step=first, last=last, text=texts.get((name, float(first)), ""))
        for place, (name, stage, first, last) in enumerate(spans, start=1)
    )


def _spans(run: RunData) -> Iterator[tuple[str, str, int, int]]:
    """(alarm, stage, first step, last step) of each time that an alarm was on."""
    open_spans: dict[str, tuple[str, str, int, int]] = {}
    for row in run.rows:
        on = {name.removeprefix(PREFIX) for name, value in row.values.items() if name.startswith(PREFIX) and value > 0}
        for name in [name for name, span in open_spans.items() if name not in on or span[1] != row.stage]:
            yield open_spans.pop(name)
        for name in sorted(on):
            first = open_spans[name][2] if name in open_spans else row.step
            open_spans[name] = (name, row.stage, first, row.step)
    yield from open_spans.values()


def alarm_list(found: tuple[Mark, ...]) -> str:
    """The section of the page."""
    if not found:
        return '<p class="note">No alarm rang.</p>'
    rows = "".join(
        f'<tr><td class="num"><span class="alarm-number">{mark.number}</span></td><th scope="row">{esc(mark.name)}</th>'
        f'<td class="num">{_steps(mark)}</td><td>{esc(mark.stage)}</td><td>{esc(mark.text)}</td></tr>'
        for mark in found[:MOST_LISTED]
    )
    left = len(found) - MOST_LISTED
    more = f'<p class="hint">{left} more alarm(s) left out.</p>' if left > 0 else ""
    return (
        '<div class="card scroll" role="region" aria-label="Alarms" tabindex="0">'
        '<table class="alarms"><caption>Alarms, in the order they rang</caption><thead><tr>'
        '<th scope="col" class="num">mark</th><th scope="col">alarm</th><th scope="col" class="num">steps</th>'
        '<th scope="col">stage</th><th scope="col">what was found, and what to do</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{more}"
    )


def _steps(mark: Mark) -> str:
    return count(mark.step) if mark.step == mark.last else f"{count(mark.step)} to {count(mark.last)}"


def legend(found: tuple[Mark, ...]) -> str:
    """A line under the heading of the curves: what the vertical marks are."""
    if not found:
        return ""
    names = ", ".join(dict.fromkeys(esc(mark.name) for mark in found))
    return (
        '<p class="hint legend-alarms"><span class="alarm-key"></span>Vertical marks: the steps at which alarms rang, '
        f"numbered as in the list above ({names}).</p>"
    )
