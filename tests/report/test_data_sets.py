"""The data sets of a run in its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from grpo.report import write_report
from grpo.report.data_sets import FILTER_WORDS, data_sets
from grpo.report.read import read_run
from grpo.stages.traces.filters import FILTERS, LONGEST_PARAGRAPH

ENTRY: dict[str, Any] = {
    "sampled": 240,
    "right": 100,
    "dropped": [
        {"filter": "failed", "completions": 0},
        {"filter": "wrong", "completions": 140},
        {"filter": "language", "completions": 12},
        {"filter": "duplicate", "completions": 28},
    ],
    "kept": 60,
    "general": 20,
    "problems": 40,
    "problems_covered": 35,
    "tokens_kept": 1234,
    "file": "stages/rejection/dataset.parquet",
    "sha256": "ab" * 32,
    "sampler": "rl1",
    "weight_version": 151,
    "sampling": {"temperature": 0.7, "top_p": 1.0, "top_k": 0.0, "completions_per_prompt": 6.0, "max_tokens": 32.0},
}


def with_data_set(run: Path, entry: dict[str, Any], stage: str = "rejection") -> Path:
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"data_sets": {stage: entry}}))
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["pipeline"] = [*config["pipeline"], "sft2"]
    config["stages"] = {"sft2": {"data_from": stage}, "rl": {"data_from": "base"}}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    return run


@pytest.fixture
def run(run_maker: Callable[..., Path]) -> Path:
    return run_maker(rl_steps=2, sft_steps=1)


def test_every_filter_in_its_order_with_its_share(run: Path) -> None:
    """140 of 240 are 58.3 %, 12 are 5 %, 28 are 11.7 %, 60 are 25 %; 60 + 20 general rows are in the file."""
    (one,) = data_sets(read_run(with_data_set(run, ENTRY)))
    assert one.rows() == [
        ("sampled", "240", "100.0 %"),
        ("failed: not written, or not scored", "0", "0.0 %"),
        ("wrong: the answer is not right", "\u2212140", "58.3 %"),
        ("language: reasoning in mixed languages", "\u221212", "5.0 %"),
        ("duplicate: equal to a kept one of the problem", "\u221228", "11.7 %"),
        ("kept", "60", "25.0 %"),
        ("general rows mixed in", "+20", ""),
        ("rows in the file", "80", ""),
    ]
    assert dict(one.facts()) == {
        "sampled from": "rl1, its weights after step 151 of the run",
        "with": "6 completions a problem, temperature 0.7, top_p 1, max_tokens 32",
        "problems": "35 of 40 have a demonstration",
        "tokens kept": "1,234",
        "trained on by": "sft2",
    }


def test_the_page_has_it_in_a_section_of_its_own(run: Path) -> None:
    assert 'id="data"' not in write_report(run).read_text()
    page = write_report(with_data_set(run, ENTRY)).read_text()
    assert '<section id="data"><h2>Data sets</h2>' in page and '<a href="#data">Data sets</a>' in page
    for said in (
        "stages/rejection/dataset.parquet",
        "ab" * 32,
        "wrong: the answer is not right",
        "58.3 %",
        "<dd>sft2</dd>",
    ):
        assert said in page, said
    assert (
        page.index("wrong: the answer is not right")
        < page.index("reasoning in mixed languages")
        < page.index("equal to a kept")
    )


@pytest.mark.parametrize("entry", [{}, {"sampled": "many", "dropped": [3, {"filter": 1}]}, {"sampled": 0, "kept": 0}])
def test_what_is_not_known_is_left_out(run: Path, entry: dict[str, Any]) -> None:
    page = write_report(with_data_set(run, entry, stage="<b>")).read_text()
    assert "Data sets" in page and "<h3><b>" not in page


def test_every_filter_has_words() -> None:
    assert set(FILTER_WORDS) == {*FILTERS, "contaminated", "duplicate", "cap", "solved", "not_chosen"}
    assert f"{LONGEST_PARAGRAPH:,} characters" in FILTER_WORDS["long_paragraph"]
