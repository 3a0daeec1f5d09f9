"""What the policy wrote: groups of chosen steps, completions sorted by reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grpo.report.read import RunData, mapping, number, read_groups, sequence, text
from grpo.report.text import MISSING, esc, figure

MOST_STEPS = 12
MOST_GROUPS = 8
MOST_COMPLETIONS = 16
LONGEST_TEXT = 4000
BYTES_FOR_SAMPLES = 6 * 2**20
"""Once the section is this long, further groups are counted instead of shown."""


def chosen(steps: Sequence[int], most: int = MOST_STEPS) -> list[int]:
    """First, last, and evenly between."""
    if len(steps) <= most:
        return list(steps)
    places = {round(place * (len(steps) - 1) / (most - 1)) for place in range(most)}
    return [steps[place] for place in sorted(places)]


def samples(run: RunData) -> str:
    """The section's content: a step selector and one block per chosen step."""
    steps = chosen(list(run.rollout_files))
    if not steps:
        return '<p class="note">No rollouts have been written (logger.file.rollouts_every sets how often).</p>'
    stages = {row.step: row.stage for row in run.rows}
    options, blocks = [], []
    room = BYTES_FOR_SAMPLES
    for step in steps:
        block = _step_block(step, run.rollout_files[step], room)
        room -= len(block)
        stage = f" ({esc(stages[step])})" if step in stages else ""
        options.append(f'<option value="{step}">step {step:,}{stage}</option>')
        blocks.append(block)
    return (
        '<p class="hint">Each group is one problem answered several times. The advantage says how much better '
        "than its group an answer was: positive ones are made likelier, negative ones less likely. "
        "Equal rewards teach nothing.</p>"
        f'<label class="pick">Step <select id="step-pick">{"".join(options)}</select></label>{"".join(blocks)}'
    )


def _step_block(step: int, path: Path, room: int) -> str:
    groups = []
    left_out = 0
    for place, group in enumerate(read_groups(path, MOST_GROUPS)):
        if room <= 0:
            left_out += 1
            continue
        groups.append(_group(group, is_open=place == 0))
        room -= len(groups[-1])
    note = f'<p class="note">{left_out} more group(s) left out to keep this page small.</p>' if left_out else ""
    empty = "" if groups or left_out else '<p class="note">This file holds no readable group.</p>'
    return f'<div class="step" data-step="{step}"><h3>Step {step:,}</h3>{"".join(groups)}{note}{empty}</div>'


def _group(group: Mapping[str, Any], is_open: bool) -> str:
    items = [mapping(item) for item in sequence(group.get("completions"))]
    items.sort(key=_sort_key)
    totals = [total for item in items if (total := number(item.get("total"))) is not None]
    mean = figure(sum(totals) / len(totals)) if totals else MISSING
    spread = "" if len(set(totals)) > 1 else '<span class="badge">no signal</span>'
    prompt = text(group.get("prompt"))
    half = MOST_COMPLETIONS // 2
    shown = items if len(items) <= MOST_COMPLETIONS else [*items[:half], *items[-half:]]
    hidden = len(items) - len(shown)
    more = f'<p class="hint">The best and the worst; {hidden} between are left out.</p>' if hidden else ""
    return (
        f'<details class="group card"{" open" if is_open else ""}><summary>'
        f'<span class="ask">{_short(prompt)}</span><span class="mean">mean reward {mean}</span>{spread}</summary>'
        f'<div class="ends2"><div><h4>Prompt</h4><pre>{_cut(prompt)}</pre></div>'
        f"<div><h4>Gold answer</h4><pre>{_cut(text(group.get('answer')))}</pre></div></div>{more}"
        f'<ol class="answers">{"".join(_completion(item) for item in shown)}</ol></details>'
    )


def _sort_key(item: Mapping[str, Any]) -> tuple[bool, float]:
    total = number(item.get("total"))
    return (total is None, -(total or 0.0))


def _completion(item: Mapping[str, Any]) -> str:
    total, advantage = number(item.get("total")), number(item.get("advantage"))
    rewards = "".join(
        f"<span>{esc(name)} <b>{figure(number(value))}</b></span>"
        for name, value in mapping(item.get("rewards")).items()
    )
    tone = "" if not advantage else " up" if advantage > 0 else " down"
    shift = "" if advantage is None else f'<span class="adv{tone}">advantage <b>{advantage:+.2f}</b></span>'
    facts = [f"{len(sequence(item.get('token_ids')))} tokens"]
    if item.get("finish_reason") == "length":
        facts.append("cut off at the limit")
    error = text(item.get("error"))
    failed = f'<p class="note bad">Not scored: {esc(error)}</p>' if error else ""
    return (
        f'<li class="answer{tone}"><div class="score"><span class="total">{figure(total)}</span>{shift}{rewards}'
        f'<span class="facts">{", ".join(facts)}</span></div>'
        f"<pre>{_cut(text(item.get('text')))}</pre>{failed}</li>"
    )


def _cut(body: str) -> str:
    if len(body) <= LONGEST_TEXT:
        return esc(body) or '<em class="empty">(empty)</em>'
    half = LONGEST_TEXT // 2
    return (
        f'{esc(body[:half])}<em class="empty"> … {len(body) - LONGEST_TEXT:,} characters left out … </em>'
        f"{esc(body[-half:])}"
    )


def _short(prompt: str) -> str:
    line = " ".join(prompt.split())
    return esc(line if len(line) <= 90 else line[:60] + " … " + line[-27:])
