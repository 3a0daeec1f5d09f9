"""Budget forcing in the report: accuracy over tokens of thinking, and whether more of it pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grpo.report.cost import SCROLL
from grpo.report.curves import figure_html
from grpo.report.read import RunData, interval, mapping, number, sequence, text
from grpo.report.series import Series
from grpo.report.svg import Chart
from grpo.report.text import MISSING, count, esc, figure, percent

PALETTE = 8


def budget_curves(run: RunData) -> str:
    """A chart, what it says, and the numbers, for each stage that forced budgets; nothing where none did."""
    return "".join(_stage(mapping(raw)) for raw in sequence(run.summary.get("budget")))


def _stage(entry: Mapping[str, Any]) -> str:
    points = [point for raw in sequence(entry.get("points")) if _is_whole(point := mapping(raw))]
    if not points:
        return ""
    name, wait = esc(text(entry.get("stage"))), esc(text(entry.get("wait_text")))
    greedy = number(entry.get("temperature")) == 0
    said = "".join(f"<li>{line}</li>" for line in verdicts(entry))
    return (
        f"<h3>{name}, {'greedy' if greedy else 'sampled'}, {count(number(entry.get('n')))} problems</h3>"
        f'<div class="grid two">{figure_html(chart(points))}{_measures(entry)}</div><ul>{said}</ul>{_table(points)}'
        f'<p class="hint">At the budget the end of thinking is forced, and the model answers. A wait puts '
        f"“{wait}” in the place of the end of thinking and lets the model go on, while the budget lasts. "
        f"Bars are 95 % intervals.</p>"
    )


def _is_whole(point: Mapping[str, Any]) -> bool:
    return all(number(point.get(key)) is not None for key in ("budget", "waits", "accuracy", "thinking_tokens"))


def chart(points: Sequence[Mapping[str, Any]]) -> Chart:
    """Accuracy over mean tokens of thinking, a line for each number of waits."""
    lines = []
    # The last line lies on top: where no wait has room yet all lines run together, and that of fewest waits is seen.
    for tone, waits in reversed(list(enumerate(sorted({int(point["waits"]) for point in points})))):
        mine = sorted((p for p in points if p["waits"] == waits), key=lambda point: float(point["thinking_tokens"]))
        ends = [interval(point.get("ci95")) for point in mine]
        lines.append(
            Series(
                label=f"{waits} {'wait' if waits == 1 else 'waits'}",
                tone=tone % PALETTE,
                steps=tuple(round(float(point["thinking_tokens"]), 2) for point in mine),
                values=tuple(float(point["accuracy"]) for point in mine),
                stages=("",) * len(mine),
                low=tuple(pair[0] for pair in ends),
                high=tuple(pair[1] for pair in ends),
            )
        )
    return Chart(
        title="Accuracy over tokens of thinking",
        unit="share",
        series=tuple(lines),
        stages=(),
        caption="Across: mean tokens of thinking per completion. A point for each budget.",
        across="tokens of thinking:",
    )


def verdicts(entry: Mapping[str, Any]) -> list[str]:
    """Whether twice the budget, and waiting, change the accuracy measurably, a sentence each."""
    found = [f"Doubling the thinking budget {_verdict(one)}" for one in map(mapping, sequence(entry.get("doublings")))]
    if not found:
        found.append("No budget is at least twice another: whether doubling it changes anything was not measured.")
    for one in map(mapping, sequence(entry.get("extensions"))):
        waits = number(mapping(one.get("to")).get("waits"))
        found.append(f"Up to {count(waits)} {'wait' if waits == 1 else 'waits'} {_verdict(one)}")
    return found


def _verdict(one: Mapping[str, Any]) -> str:
    before, after = mapping(one.get("from")), mapping(one.get("to"))
    low, high = ([number(end) for end in sequence(one.get("ci95"))] + [None, None])[:2]
    gain = number(one.get("gain"))
    if gain is None or low is None or high is None:
        return "was not measured."
    changes = "changes" if one.get("measurable") is True else "does not change"
    same = before.get("budget") == after.get("budget")
    where = f"at {count(number(after.get('budget')))} tokens" if same else _from_to(before, after)
    return (
        f"{where} <b>{changes}</b> accuracy measurably: {100 * gain:+.1f} points "
        f"(paired 95 % interval {100 * low:+.1f} to {100 * high:+.1f})."
    )


def _from_to(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    waits = number(after.get("waits"))
    return (
        f"from {count(number(before.get('budget')))} to {count(number(after.get('budget')))} tokens, with "
        f"{count(waits)} {'wait' if waits == 1 else 'waits'},"
    )


def _measures(entry: Mapping[str, Any]) -> str:
    rows = ""
    for one in map(mapping, sequence(entry.get("curves"))):
        slope = number(one.get("scaling"))
        cells = [percent(number(one.get("control"))), MISSING if slope is None else figure(slope)]
        cells.append(percent(number(one.get("performance"))))
        rows += _tr(count(number(one.get("waits"))), cells)
    heads = "".join(f'<th scope="col" class="num">{head}</th>' for head in ("control", "scaling", "performance"))
    return (
        '<div class="card"><table><caption>s1’s measures</caption>'
        f'<thead><tr><th scope="col">waits</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        '<p class="hint">Control: completions within their budget. Scaling: mean slope, accuracy points per 1,000 '
        "tokens of thinking. Performance: highest accuracy.</p></div>"
    )


def _table(points: Sequence[Mapping[str, Any]]) -> str:
    rows = ""
    for point in points:
        ends = [number(end) for end in sequence(point.get("ci95"))]
        interval = f"<small>{percent(ends[0])} to {percent(ends[1])}</small>" if len(ends) == 2 else ""
        cells = [
            count(number(point.get("waits"))),
            figure(number(point.get("thinking_tokens"))),
            f"{percent(number(point.get('accuracy')))}{interval}",
            percent(number(point.get("forced"))),
            figure(number(point.get("waits_appended"))),
        ]
        rows += _tr(count(number(point.get("budget"))), cells)
    names = ("most waits", "mean tokens of thinking", "accuracy", "cut at the budget", "mean waits appended")
    heads = "".join(f'<th scope="col" class="num">{head}</th>' for head in names)
    return (
        f"{SCROLL}<table><caption>Every budget</caption>"
        f'<thead><tr><th scope="col">budget</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _tr(name: str, cells: Sequence[str]) -> str:
    return f'<tr><th scope="row">{name}</th>' + "".join(f'<td class="num">{cell}</td>' for cell in cells) + "</tr>"
