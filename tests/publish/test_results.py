"""The evaluation section of the model card: the other rewards, and how answers were drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.publish.cards import card_of, make_run

LANGUAGE = {"mean": 0.994, "ci95": [0.987, 1.0], "n": 200}


def card_with(folder: Path, *changes: dict[str, Any]) -> str:
    """The card of a run whose evaluations (cold start greedy, then sampled and greedy) have these keys too."""
    run = make_run(folder)
    summary = json.loads((run / "summary.json").read_text())
    summary["eval"] = [entry | change for entry, change in zip(summary["eval"], changes, strict=True)]
    (run / "summary.json").write_text(json.dumps(summary))
    return card_of(run)["README.md"]


def test_rewards_with_their_intervals_and_this_model_in_bold(tmp_path: Path) -> None:
    card = card_with(
        tmp_path / "run",
        {"rewards": {"language": LANGUAGE | {"mean": 0.594, "ci95": [0.559, 0.629]}}},
        {"rewards": {"language": LANGUAGE, "mine.py:near": LANGUAGE | {"n": 7}}},
        {},
    )
    assert (
        "| stage | mode | `language` | `mine.py:near` |\n| --- | --- | --- | --- |\n"
        "| `cold_start_eval` | greedy | 0.594 (0.559 to 0.629) | \u2014 |\n"
        "| `rl_eval` | sampled | **0.994** (0.987 to 1.000) | **0.994** (0.987 to 1.000, 7 problems) |\n\n"
    ) in card
    assert "Means of the other rewards" not in card_with(tmp_path / "none", {}, {}, {})


def test_how_answers_were_drawn(tmp_path: Path) -> None:
    drawn = {"temperature": 0.6, "top_p": 0.95}
    card = card_with(tmp_path / "run", {"temperature": 0.0}, drawn, {"temperature": 0.0})
    assert "Sampled answers are drawn at temperature 0.6, top-p 0.95, greedy ones take the likeliest token." in card
