"""The bilingual task's pipelines at the smallest sizes: rows, rewards and evaluations of every stage in the summary."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from grpo.config.load import load_config
from grpo.run.pipeline import run_pipeline
from tests.run.running import metrics, newest

TINY = ["debug=tiny", "rollout=transformers", "threads=1"]
NAMES = ["think_answer_format", "language_consistency"]


@pytest.mark.parametrize(
    ("words", "evaluations"),
    [
        (["experiment=bilingual"], ["cold_start_eval", "rl_eval"]),
        (["experiment=r1"], ["cold_start_eval", "rl1_eval", "sft2_eval", "rl2_eval"]),
    ],
)
def test_every_stage_has_its_figures_with_intervals(words: list[str], evaluations: list[str], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the tensorboard extra is not installed")
    assert run_pipeline(load_config([*words, *TINY, "logger=[file,tensorboard]", f"run_root={tmp_path}"])) == 0
    folder = newest(tmp_path)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert [(e["stage"], e["mode"]) for e in summary["eval"]] == [
        (stage, mode) for stage in evaluations for mode in ("sampled", "greedy")
    ]
    assert all(sorted(entry["rewards"]) == sorted(NAMES) for entry in summary["eval"])
    lines = {line["stage"]: line for line in metrics(folder)}
    for entry in summary["eval"]:
        for name, found in entry["rewards"].items():
            low, high = found["ci95"]
            assert found["n"] == 8 and low <= found["mean"] <= high
            if entry["mode"] == "sampled":
                line, key = lines[entry["stage"]], f"eval/rewards/{name}"
                assert [line[key], line[f"{key}_low"], line[f"{key}_high"]] == [found["mean"], low, high]
    _check_gains(summary, evaluations)
    card, page = (folder / "model" / "README.md").read_text(), (folder / "report.html").read_text()
    assert "| stage | mode | `language_consistency` | `think_answer_format` |" in card
    assert '<th scope="col" class="num">language_consistency</th>' in page
    tags = _dashboard(folder)
    assert tags >= {f"eval/rewards/{name}{end}" for name in NAMES for end in ("", "_low", "_high")}
    assert tags >= {"cost/final", "cost/loaded"}


def _check_gains(summary: dict[str, Any], evaluations: list[str]) -> None:
    """Neighbours and, from three evaluations on, first to last; with two the pair stands there once for each mode."""
    whole = (evaluations[0], evaluations[-1])
    pairs = list(itertools.pairwise(evaluations))
    wanted = [*pairs, *([whole] if whole not in pairs else [])]
    found = [(one["from"], one["to"]) for one in summary["eval_gain"] if one["mode"] == "sampled"]
    assert found == wanted
    assert [(one["from"], one["to"]) for one in summary["cost"]["per_point"] if one["whole"]] == [whole] * 2


def _dashboard(folder: Path) -> set[str]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return set(events.Tags()["scalars"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_model_learns_enough_for_rejection_sampling(seed: int, tmp_path: Path) -> None:
    """`debug=tiny` teaches it some sums and the template: rejection sampling keeps a few completions in any seed."""
    words = ["experiment=r1", "pipeline=[cold_start,rl1,rejection]", f"seed={seed}", "logger=[file]"]
    assert run_pipeline(load_config([*words, *TINY, f"run_root={tmp_path}"])) == 0
    counts = json.loads((newest(tmp_path) / "summary.json").read_text())["data_sets"]["rejection"]
    assert counts["sampled"] == 256 and counts["kept"] >= 5


def test_without_the_language_reward_it_is_measured_and_not_learnt(tmp_path: Path) -> None:
    """A completion's reward is the weighted sum: with a weight of 0 the share of the language is no part of it."""
    words = ["experiment=bilingual", "stages.rl.reward.weights=[1.0,0.1,0.0]", "pipeline=[rl]", "stages.rl.steps=1"]
    words += ["stages.rl.model_from=base", "logger=[file]", f"run_root={tmp_path}"]
    assert run_pipeline(load_config([*words, *TINY])) == 0
    [line] = metrics(newest(tmp_path))
    wanted = line["rewards/exact_integer/mean"] + 0.1 * line["rewards/think_answer_format/mean"]
    assert line["reward"] == pytest.approx(wanted) and "rewards/language_consistency/mean" in line
