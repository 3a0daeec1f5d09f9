"""Top of the report: what the run was and whether it got better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grpo.report.read import RunData, interval, mapping, number, sequence, text
from grpo.report.text import count, esc, percent

STATUS_WORDS = {
    "finished": "finished",
    "interrupted": "interrupted, can be resumed",
    "stopped": "stopped by an alarm, can be resumed",
    "failed": "failed",
    "running": "running, or killed",
    "unknown": "no summary yet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One entry of `eval` in `summary.json`."""

    stage: str
    split: str
    mode: str
    value: float
    low: float | None
    high: float | None
    problems: float | None
    samples: float | None

    @property
    def interval(self) -> str:
        """`24.4 % to 32.1 %`, or nothing."""
        return f"{percent(self.low)} to {percent(self.high)}" if self.low is not None and self.high is not None else ""


def accuracies(run: RunData) -> list[Accuracy]:
    """Evaluations in the order they were made; entries without an accuracy are left out."""
    found = []
    for raw in sequence(run.summary.get("eval")):
        entry = mapping(raw)
        value = number(entry.get("accuracy"))
        if value is None:
            continue
        low, high = interval(entry.get("ci95"))
        found.append(
            Accuracy(
                stage=text(entry.get("stage")),
                split=text(entry.get("split")),
                value=value,
                low=low,
                mode=text(entry.get("mode")),
                high=high,
                problems=number(entry.get("n")),
                samples=number(entry.get("samples_per_problem")),
            )
        )
    return found


def by_mode(entries: Sequence[Accuracy]) -> dict[tuple[str, str], list[Accuracy]]:
    """Entries per (split, mode), in order of first appearance."""
    groups: dict[tuple[str, str], list[Accuracy]] = {}
    for entry in entries:
        groups.setdefault((entry.split, entry.mode), []).append(entry)
    return groups


def header(run: RunData) -> str:
    """Name, status and the facts that identify the run."""
    engine = mapping(run.summary.get("engine"))
    versions = mapping(run.summary.get("versions"))
    model = mapping(run.config.get("model"))
    facts = [
        ("model", text(model.get("name"))),
        ("pipeline", " → ".join(text(name) for name in sequence(run.config.get("pipeline")))),
        ("seed", text(run.summary.get("seed", run.config.get("seed")))),
        ("steps", count(run.rows[-1].step) if run.rows else ""),
        ("engine", f"{text(engine.get('name'))} {text(engine.get('version'))}".strip()),
        ("git commit", _short_commit(text(run.summary.get("git_commit")))),
        ("versions", ", ".join(f"{name} {text(value)}" for name, value in versions.items())),
    ]
    rows = "".join(f"<div><dt>{name}</dt><dd>{esc(value)}</dd></div>" for name, value in facts if value)
    error = text(run.summary.get("error"))
    failed = f'<p class="note bad">Stopped by: {esc(error)}</p>' if error else ""
    notes = "".join(f'<p class="note">{esc(note)}</p>' for note in run.notes)
    return f'<header><h1>{esc(run.name)} {badge(run)}</h1><dl class="facts">{rows}</dl>{failed}{notes}</header>'


def _short_commit(commit: str) -> str:
    """Twelve letters of the hash; a `-dirty` mark stays."""
    return commit[:12] + ("-dirty" if commit.endswith("-dirty") else "")


def badge(run: RunData) -> str:
    """The run's status as a coloured word."""
    status = run.status if run.status in STATUS_WORDS else "unknown"
    return f'<span class="badge {status}">{esc(STATUS_WORDS.get(run.status, run.status))}</span>'


def headline(run: RunData) -> str:
    """Before and after, with intervals; a word when there is nothing to say yet."""
    groups = by_mode(accuracies(run))
    if not groups:
        return '<p class="note">No evaluation has been made yet.</p>'
    tiles = "".join(_tile(run, entries) for entries in groups.values())
    scales = "".join(_scale(entries) for entries in groups.values())
    return (
        f'<div class="tiles">{tiles}</div><div class="grid two">{scales}</div>'
        '<p class="hint">Bars are 95 % intervals: with another draw of problems the accuracy would most likely '
        "fall inside. Greedy takes the likeliest token each time; sampled draws at "
        "temperature 1 unless the stage says otherwise.</p>"
    )


def _tile(run: RunData, entries: Sequence[Accuracy]) -> str:
    first, last = entries[0], entries[-1]
    title = f"{_split(last.split)} accuracy, {esc(last.mode)}"
    if len(entries) == 1:
        return (
            f'<div class="tile card"><h3>{title}</h3><p class="big">{percent(last.value)}</p>'
            f"<p>after {esc(last.stage)} ({last.interval})</p></div>"
        )
    change = 100 * (last.value - first.value)
    tone = "up" if change > 0 else "down" if change < 0 else ""
    return (
        f'<div class="tile card"><h3>{title}</h3>'
        f'<p class="big">{percent(first.value)} → <strong>{percent(last.value)}</strong></p>'
        f'<p><span class="{tone}">{change:+.1f} points</span> from {esc(first.stage)} to {esc(last.stage)}. '
        f"{_certainty(run, first, last)}</p></div>"
    )


def _certainty(run: RunData, first: Accuracy, last: Accuracy) -> str:
    for raw in sequence(run.summary.get("eval_gain")):
        gain = mapping(raw)
        low, high = interval(gain.get("ci95"))
        same = (gain.get("from"), gain.get("to"), gain.get("mode")) == (first.stage, last.stage, last.mode)
        if same and low is not None and high is not None:
            return (
                f"Paired 95 % interval of the gain: {100 * low:+.1f} to {100 * high:+.1f} points, on the same problems."
            )
    if first.low is None or first.high is None or last.low is None or last.high is None:
        return ""
    apart = last.low > first.high or last.high < first.low
    return "The intervals do not overlap." if apart else "The intervals overlap: this may be chance."


def _scale(entries: Sequence[Accuracy]) -> str:
    rows = []
    for entry in entries:
        span = ""
        if entry.low is not None and entry.high is not None:
            left, width = 100 * entry.low, 100 * (entry.high - entry.low)
            span = f'<span class="whisker" style="left:{left:.2f}%;width:{width:.2f}%"></span>'
        size = f"{count(entry.problems)} problems"
        size += f" \u00d7 {count(entry.samples)}" if entry.samples and entry.samples > 1 else ""
        rows.append(
            f'<tr><th scope="row">{esc(entry.stage)}</th>'
            f'<td class="track" aria-hidden="true"><div>{span}'
            f'<span class="point" style="left:{100 * entry.value:.2f}%"></span></div></td>'
            f'<td class="num"><b>{percent(entry.value)}</b><small>{entry.interval}</small>'
            f"<small>{size}</small></td></tr>"
        )
    title = f"{_split(entries[0].split)}, {esc(entries[0].mode)}"
    return (
        f'<div class="card"><table class="scale"><caption>{title}</caption><thead><tr><th scope="col">stage</th>'
        '<th scope="col" class="ends"><span>0 %</span><span>50 %</span><span>100 %</span></th>'
        f'<th scope="col" class="num">accuracy</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _split(name: str) -> str:
    return esc(name.replace("_", "-").capitalize() or "Held-out")


def largest_difference(summary: Mapping[str, Any]) -> str:
    """A sentence on trainer and sampler agreement, or nothing."""
    value = number(summary.get("sync_logprob_diff_max"))
    if value is None:
        return ""
    return f'<p class="hint">Largest trainer-to-sampler difference at any weight sync: {value:.2e} nats.</p>'
