"""Data in the model card: what a run made, and which held-out problems it was trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.publish.cards import card_of, make_run

MADE = {
    "sampled": 240, "right": 100, "kept": 60, "general": 0, "problems": 40, "problems_covered": 35,
    "dropped": [{"filter": "wrong", "completions": 140}, {"filter": "cap", "completions": 40}],
    "tokens_kept": 1234, "file": "stages/rejection/dataset.parquet", "sha256": "cd" * 32,
    "sampler": "/home/someone/teacher", "weight_version": 0, "sampling": {"completions_per_prompt": 6.0},
}  # fmt: skip


def seen(share: float, exact: float, clean: float | None) -> dict[str, Any]:
    return {"ngram_words": 10, "share": share, "exact": exact, "ngram": 0.0, "accuracy_clean": clean}


def card_with(folder: Path, found: list[dict[str, Any] | None], **more: Any) -> str:
    """The card of a run whose evaluations in order have this contamination."""
    run = make_run(folder)
    summary = json.loads((run / "summary.json").read_text()) | more
    for entry, one in zip(summary["eval"], found, strict=True):
        entry["contamination"] = one
    (run / "summary.json").write_text(json.dumps(summary))
    return card_of(run)["README.md"]


def test_a_data_set_with_its_filters(tmp_path: Path) -> None:
    card = card_with(tmp_path / "run", [None] * 3, data_sets={"rejection": MADE})
    for said in (
        "### Data set `rejection`\n\n| completions | number | share of sampled |\n",
        "| sampled | 240 | 100.0 % |\n| wrong: the answer is not right | \u2212140 | 58.3 % |\n"
        "| cap: the problem has enough already | \u221240 | 16.7 % |\n| kept | 60 | 25.0 % |\n",
        "- sampled from: teacher\n", "- with: 6 completions a problem\n", "- trained on by: no stage of this run\n",
        "- file: `stages/rejection/dataset.parquet` in the run's folder, not in this one\n", "cd" * 32,
    ):  # fmt: skip
        assert said in card, said
    assert "someone" not in card and "general rows" not in card
    assert "### Data set" not in card_with(tmp_path / "none", [None] * 3)


def test_no_overlap_is_a_sentence(tmp_path: Path) -> None:
    card = card_with(tmp_path / "run", [None, seen(0.0, 0.0, 0.415), seen(0.0, 0.0, 0.43)])
    said = "None was found (the same text, or 10 words in a row): 0 of 200 in `rl_eval`."
    assert said in card and "accuracy without them" not in card


def test_overlap_is_a_table_with_how_many_of_how_many(tmp_path: Path) -> None:
    """5 % of 200 problems are 10, 1.5 % are 3."""
    card = card_with(tmp_path / "run", [seen(0.0, 0.0, 0.2), seen(0.05, 0.015, 0.4), seen(0.05, 0.015, None)])
    assert "| `cold_start_eval` | greedy | 0 of 200 (0.0 %) | 0 | 0 | 20.0 %, with them 20.0 % |" in card
    assert "| `rl_eval` | sampled | 10 of 200 (5.0 %) | 3 | 0 | 40.0 %, with them 41.5 % |" in card
    assert "| `rl_eval` | greedy | 10 of 200 (5.0 %) | 3 | 0 | \u2014 |" in card


def test_generated_problems_are_compared_whole(tmp_path: Path) -> None:
    whole = seen(0.05, 0.05, 0.4) | {"ngram_words": None}
    card = card_with(tmp_path / "run", [None, whole, whole])
    assert "Found: the same text, in what earlier stages were trained on." in card
    assert "| evaluation | mode | found in training | same text | accuracy without them |" in card
    assert "| `rl_eval` | sampled | 10 of 200 (5.0 %) | 10 | 40.0 %, with them 41.5 % |" in card


@pytest.mark.parametrize("found", [[None] * 3, [{}, {"share": "x"}, None]])
def test_nothing_was_checked(tmp_path: Path, found: list[Any]) -> None:
    assert "among the held-out" not in card_with(tmp_path / "run", found)
