"""Puts a page together: of one run, or of several over one another."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

import yaml

from grpo.report.alarms import alarm_list, legend, marks
from grpo.report.budget import budget_curves
from grpo.report.cost import SCROLL, RunTotal, cost_table, run_total, sum_totals, time_split
from grpo.report.cost_results import cost_sums
from grpo.report.curves import overlay_curves, run_curves
from grpo.report.data_sets import data_set_tables
from grpo.report.evaluation import evaluation_table
from grpo.report.outcome import accuracies, badge, by_mode, header, headline, largest_difference
from grpo.report.read import RunData, read_run, text
from grpo.report.samples import samples
from grpo.report.script import SCRIPT
from grpo.report.style import STYLE
from grpo.report.text import MISSING, duration, esc, hours, money, percent
from grpo.track.cut import write_whole

REPORT_FILE = "report.html"
MOST_RUNS = 8
"""Colours that can still be told apart."""


def write_report(run_folder: Path) -> Path:
    """Write `report.html` into a run folder from its files alone and return its path.

    Works on finished, running and killed runs; raises ValueError when the folder is no run folder.
    """
    return write_page(run_folder / REPORT_FILE, report_html(read_run(run_folder)))


def write_comparison(run_folders: Sequence[Path], out: Path) -> Path:
    """Write one page with the curves of several runs; raises ValueError on a folder that is no run folder."""
    return write_page(out, comparison_html([read_run(folder) for folder in run_folders]))


def write_page(path: Path, page: str) -> Path:
    """Write a page whole or not at all."""
    write_whole(path, page.encode("utf-8"))
    return path


def report_html(run: RunData) -> str:
    """The report of one run."""
    alarms = marks(run)
    curves = run_curves(run) or '<p class="note">No metrics have been written yet.</p>'
    lead = (
        '<p class="hint">One point per step; the bold line is a moving average. Shaded bands are stages. '
        "Point at a chart, or focus it and use the arrow keys, to read values.</p>"
    )
    sections = [
        ("result", "Result", headline(run) + evaluation_table(run) + largest_difference(run.summary)),
        ("alarms", "Alarms", alarm_list(alarms)),
        ("curves", "Curves", f'{lead}{legend(alarms)}<div class="grid">{curves}</div>'),
        ("cost", "Time and cost", time_split(run) + cost_table(run) + cost_sums(run)),
        ("rollouts", "Rollouts", samples(run)),
        ("config", "Config", _config(run)),
    ]
    extra = [("budget", "Thinking budget", budget_curves(run)), ("data", "Data sets", data_set_tables(run))]
    sections[1:1] = [section for section in extra if section[2]]
    return document(f"{run.name}: training report", header(run), sections)


def comparison_html(runs: Sequence[RunData]) -> str:
    """Several runs over one another; raises ValueError beyond `MOST_RUNS`."""
    if len(runs) > MOST_RUNS:
        raise ValueError(f"{len(runs)} runs are too many to tell apart in one chart; give at most {MOST_RUNS}")
    labels = run_labels(runs)
    keys = "".join(f'<span class="key t{place}">{esc(label)}</span>' for place, label in enumerate(labels))
    top = f'<header><h1>{len(runs)} runs compared</h1><div class="legend">{keys}</div></header>'
    curves = overlay_curves(runs, labels) or '<p class="note">No metrics have been written yet.</p>'
    sections = [
        ("result", "Result", _comparison_table(runs, labels)),
        ("curves", "Curves", f'<div class="grid">{curves}</div>'),
    ]
    return document(f"{len(runs)} runs compared", top, sections)


def run_labels(runs: Sequence[RunData]) -> list[str]:
    """The shortest labels that differ: seeds, names, names with seeds, or folder names."""
    seeds = [f"seed {text(run.summary.get('seed', run.config.get('seed')))}" for run in runs]
    names = [run.name for run in runs]
    both = [f"{name}, {seed}" for name, seed in zip(names, seeds, strict=True)]
    choices = [names, both] if len(set(names)) > 1 else [seeds]
    return next(
        (labels for labels in choices if len(set(labels)) == len(runs)), [run.folder.resolve().name for run in runs]
    )


def document(title: str, top: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """A whole page; `sections` are (anchor, title, content). Only our own script may run in it."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
    links = "".join(f'<a href="#{anchor}">{name}</a>' for anchor, name, _ in sections)
    body = "".join(f'<section id="{anchor}"><h2>{name}</h2>{content}</section>' for anchor, name, content in sections)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{esc(title)}</title>'
        f'<style>{STYLE}</style></head><body><nav aria-label="Sections"><div>{links}</div></nav>'
        f"<main>{top}{body}</main><script>{SCRIPT}</script></body></html>\n"
    )


def _config(run: RunData) -> str:
    if not run.config:
        return '<p class="note">No config was found.</p>'
    shown = yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True)
    return f'<details class="card"><summary>Resolved config</summary><pre>{esc(shown)}</pre></details>'


def _comparison_table(runs: Sequence[RunData], labels: Sequence[str]) -> str:
    per_run = [by_mode(accuracies(run)) for run in runs]
    modes = list(dict.fromkeys(mode for groups in per_run for mode in groups))
    heads = [
        "status",
        *(f"{split or 'held-out'}, {mode}".replace("_", "-") for split, mode in modes),
        "wall time",
        "device-hours",
        "cost",
    ]
    head = "".join(f'<th scope="col" class="num">{esc(name)}</th>' for name in heads)
    rows = []
    for place, (run, label, groups) in enumerate(zip(runs, labels, per_run, strict=True)):
        cells = [badge(run)]
        for mode in modes:
            found = groups.get(mode)
            cells.append(
                f"{percent(found[0].value)} → <b>{percent(found[-1].value)}</b><small>{found[-1].interval}</small>"
                if found
                else MISSING
            )
        rows.append(_cost_row(f'<span class="key t{place}">{esc(label)}</span>', cells, run_total(run)))
    whole = sum_totals([run_total(run) for run in runs])
    foot = _cost_row("all runs together", [""] * (1 + len(modes)), whole)
    return (
        f"{SCROLL}<table><caption>Accuracy before and after, and cost</caption>"
        f'<thead><tr><th scope="col">run</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        f"<tfoot>{foot}</tfoot></table></div>"
    )


def _cost_row(name: str, cells: Sequence[str], total: RunTotal) -> str:
    all_cells = [
        *cells,
        duration(total.wall_seconds),
        hours(total.device_hours),
        money(total.cost, esc(total.currency)),
    ]
    return f'<tr><th scope="row">{name}</th>' + "".join(f'<td class="num">{cell}</td>' for cell in all_cells) + "</tr>"
