"""Every evaluation in full: avg@k, pass@k, maj@k, and what of the held-out problems was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grpo.report.cost import SCROLL
from grpo.report.read import RunData, mapping, number, sequence, text
from grpo.report.text import MISSING, count, esc, percent

HEADS = ("problems × samples", "avg@k", "pass@k", "maj@k", "std between samples", "trained on", "accuracy without")


def evaluation_table(run: RunData) -> str:
    """A row per evaluation and mode; nothing where the summary has none with these figures."""
    entries = [mapping(raw) for raw in sequence(run.summary.get("eval"))]
    rows = "".join(_row(entry) for entry in entries if "maj_at_k" in entry or "contamination" in entry)
    if not rows:
        return ""
    head = "".join(f'<th scope="col" class="num">{name}</th>' for name in HEADS)
    return (
        f"{SCROLL}<table><caption>All evaluations, with 95 % intervals</caption>"
        f'<thead><tr><th scope="col">stage</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
        '<p class="hint">avg@k is the mean over k samples of each problem, pass@k the share of problems of which at '
        "least one of k samples is right, maj@k that of which the most common answer is. Each sample has a seed of its "
        "own, so the deviation between samples is that between seeds. Trained on: problems that share 10 words in a "
        "row, or the whole text, with training problems.</p>"
    )


def _row(entry: Mapping[str, Any]) -> str:
    samples = number(entry.get("samples_per_problem"))
    size = f"{count(number(entry.get('n')))} × {count(samples)}"
    seen = mapping(entry.get("contamination"))
    average = f"{percent(number(entry.get('accuracy')))}<small>{_interval(entry.get('ci95'))}</small>"
    spread = number(entry.get("std_between_samples"))
    cells = [
        size,
        average,
        _at_k(entry, "pass_at_k"),
        _at_k(entry, "maj_at_k"),
        MISSING if spread is None else f"{100 * spread:.1f} points",
        percent(number(seen.get("share"))),
        percent(number(seen.get("accuracy_clean"))),
    ]
    name = f"{esc(text(entry.get('stage')))}, {esc(text(entry.get('mode')))}"
    return f'<tr><th scope="row">{name}</th>' + "".join(f'<td class="num">{cell}</td>' for cell in cells) + "</tr>"


def _at_k(entry: Mapping[str, Any], name: str) -> str:
    """Every k from 2 on, the largest with its interval."""
    values = {k: number(value) for k, value in mapping(entry.get(name)).items() if k != "1"}
    if not values:
        return MISSING
    shown = "".join(f"<div>@{esc(k)} {percent(value)}</div>" for k, value in values.items())
    last = list(values)[-1]
    return f"{shown}<small>{_interval(mapping(entry.get(name + '_ci95')).get(last))}</small>"


def _interval(raw: object) -> str:
    ends = [number(end) for end in sequence(raw)]
    return f"{percent(ends[0])} to {percent(ends[1])}" if len(ends) == 2 else ""
