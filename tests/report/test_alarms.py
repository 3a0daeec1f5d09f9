"""Alarms in the page: marks on the curves at the steps they rang, and a list of them."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from grpo.report import write_report
from grpo.report.alarms import marks
from grpo.report.read import read_run

TEXT = 'half is cut off; raise <max> & "go on"'
ON = {40: 1, 41: 1, 42: 0, 50: 1, 93: 1}
"""Step to `alarm/truncation`: on from 40 to 41 and at 50, in rl (steps 33 to 92); 93 is the evaluation after it."""


@pytest.fixture
def alarming(run_maker: Callable[..., Path]) -> Path:
    run = run_maker(rl_steps=60)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row |= {"alarm/truncation": float(ON[row["step"]])} if row["step"] in ON else {}
        row |= {"alarm/mismatch": 1.0} if row["step"] == 50 else {}
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    summary = json.loads((run / "summary.json").read_text())
    summary["alarms"] = [{"name": "truncation", "stage": "rl", "step": 40, "text": TEXT}]
    (run / "summary.json").write_text(json.dumps(summary))
    return run


def test_marks_are_where_it_began_to_ring(alarming: Path) -> None:
    found = [(m.number, m.name, m.stage, m.step, m.last, m.text) for m in marks(read_run(alarming))]
    assert found == [
        (1, "truncation", "rl", 40, 41, TEXT),
        (2, "mismatch", "rl", 50, 50, ""),
        (3, "truncation", "rl", 50, 50, ""),
        (4, "truncation", "after", 93, 93, ""),
    ]


def test_every_curve_that_has_the_step_has_the_mark(alarming: Path) -> None:
    page = write_report(alarming).read_text()
    found = re.findall(r'<svg class="chart"[^>]*aria-label="([^"]*)"(.*?)</svg>', page)
    charts = {re.split(r": [\w ]+ from ", html.unescape(label))[0]: body for label, body in found}
    title = "<title>truncation at step 40</title>"
    assert title in charts["Reward"] and title in charts["Held-out accuracy"]
    left, right, first, last = 52, 390 - 12, 33, 92
    x = left + (40 - first) / (last - first) * (right - left)
    assert f'{title}<line x1="{x:.1f}" x2="{x:.1f}"' in charts["Reward"]
    assert charts["Reward"].count('class="alarm-label"') == 2, "two at step 50 share the number of the first"
    assert "step 93" not in charts["Reward"] and "step 93" in charts["Held-out accuracy"]


def test_the_list_and_the_legend(alarming: Path) -> None:
    page = write_report(alarming).read_text()
    row = re.search(r'<th scope="row">truncation</th><td class="num">40 to 41</td><td>rl</td><td>(.*?)</td>', page)
    assert row is not None and row[1] == html.escape(TEXT)
    assert "numbered as in the list above (truncation, mismatch)" in page


def test_a_killed_run_shows_them_too(alarming: Path) -> None:
    (alarming / "summary.json").unlink()
    assert [mark.step for mark in marks(read_run(alarming))] == [40, 50, 50, 93]


def test_a_run_without(run_maker: Callable[..., Path]) -> None:
    page = write_report(run_maker(rl_steps=3)).read_text()
    assert "No alarm rang." in page and 'class="alarm"' not in page and "Vertical marks" not in page
