"""The rewards of evaluations in the report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from grpo.report import write_report

LANGUAGE = {"mean": 0.594, "ci95": [0.559, 0.629], "n": 512}


def page_of(run: Path, rewards: list[dict[str, Any]]) -> str:
    """The page of a run whose evaluations in order have these rewards, as far as they go."""
    summary = json.loads((run / "summary.json").read_text())
    for entry, given in zip(summary["eval"], rewards, strict=False):
        entry["rewards"] = given
    (run / "summary.json").write_text(json.dumps(summary))
    return write_report(run).read_text()


def rows(page: str) -> dict[str, list[str]]:
    """First cell to the other cells of the table of evaluations."""
    table = page.split("All evaluations, with 95 % intervals")[1].split("</table>")[0]
    found = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table)
    return {name: re.findall(r'<td class="num">(.*?)</td>', cells) for name, cells in found}


def test_each_reward_has_a_column_with_its_interval(run_maker: Callable[..., Path]) -> None:
    run = run_maker(rl_steps=2, sft_steps=1)
    page = page_of(run, [{"language": LANGUAGE}, {"language": LANGUAGE | {"n": 7}, "format": LANGUAGE | {"mean": -2}}])
    assert '<th scope="col" class="num">language</th><th scope="col" class="num">format</th>' in page
    found = rows(page)
    assert found["before, sampled"][-2:] == ["0.594<small>0.559 to 0.629</small>", "\u2014"]
    assert found["before, greedy"][-2:] == [
        "0.594<small>0.559 to 0.629</small><small>7 problems</small>",
        "-2.000<small>0.559 to 0.629</small>",
    ]


def test_a_name_cannot_become_markup(run_maker: Callable[..., Path]) -> None:
    page = page_of(run_maker(rl_steps=2, sft_steps=1), [{"<img src=x>": LANGUAGE, "broken": {"mean": "high"}, "c": 3}])
    assert "<img" not in page and "&lt;img src=x&gt;" in page and ">broken<" not in page


def test_held_out_rewards_have_a_chart_where_their_interval_is_logged(run_maker: Callable[..., Path]) -> None:
    run = run_maker(rl_steps=2, sft_steps=1)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    name = "eval/rewards/language"
    for line in lines:
        if "eval/format" in line:
            line |= {name: 0.5, f"{name}_low": 0.4, f"{name}_high": 0.6, "eval/rewards/old": 0.1}
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = write_report(run).read_text()
    assert page.count("<h3>Held-out reward: ") == 1 and "<h3>Held-out reward: language" in page


def test_columns_of_which_nothing_is_known_are_left_out(run_maker: Callable[..., Path]) -> None:
    """One sample of each problem has no pass@k; 2.5 % of 512 problems are 13."""
    run = run_maker(rl_steps=2, sft_steps=1)
    summary = json.loads((run / "summary.json").read_text())
    summary["eval"][0] |= {"contamination": {"share": 13 / 512, "accuracy_clean": 0.5}}
    (run / "summary.json").write_text(json.dumps(summary))
    page = write_report(run).read_text()
    assert rows(page) == {
        "before, sampled": ["512 × 4", "2.0 %<small>0.0 % to 6.3 %</small>", "2.5 %<small>13 of 512</small>", "50.0 %"]
    }
    head = page.split("All evaluations, with 95 % intervals")[1].split("</thead>")[0]
    assert "trained on" in head and "pass@k" not in head and "std" not in head
