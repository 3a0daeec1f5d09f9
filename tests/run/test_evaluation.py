"""Evaluation stages in a whole run: several samples, other data than was trained on, and their own sampling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grpo.types import Prompt, SamplingSettings
from tests.run.running import metrics, run_here, summary

ROWS = [{"question": f"{a}+{a}=", "answer": str(2 * a)} for a in range(6)]
"""Problems with two operands below 8 occur in training; `data.arithmetic.held_out` leaves some out."""

CHAT = {"question": [{"role": "user", "content": "what is 9+9?"}], "answer": "18"}


def by_mode(folder: Path, stage: str) -> dict[str, Any]:
    return {entry["mode"]: entry for entry in summary(folder)["eval"] if entry["stage"] == stage}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluated")
    rows = root / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in [*ROWS, CHAT]))
    code, folder = run_here(
        root,
        "pipeline=[cold_start,cold_start_eval,rl_eval]",
        "stages.cold_start.data.arithmetic.problems=100",
        "stages.cold_start_eval.samples_per_problem=4",
        "stages.rl_eval.model_from=cold_start",
        "stages.rl_eval.data.source=files",
        f"stages.rl_eval.data.path={rows}",
        f"stages.rl_eval.data.eval_path={rows}",
        "stages.rl_eval.rollout.temperature=0.6",
        "stages.rl_eval.rollout.top_p=0.95",
    )
    assert code == 0
    return folder


def test_several_samples_give_pass_and_maj(evaluated: Path) -> None:
    entry = by_mode(evaluated, "cold_start_eval")["sampled"]
    assert entry["samples_per_problem"] == 4 and entry["temperature"] == entry["top_p"] == 1.0
    assert set(entry["pass_at_k"]) == set(entry["maj_at_k"]) == {"1", "2", "4"}
    assert len(entry["accuracy_by_sample"]) == 4
    assert set(entry["maj_at_k_ci95"]) == {"1", "2", "4"}
    line = next(line for line in metrics(evaluated) if line["stage"] == "cold_start_eval")
    assert line["eval/pass@4"] == entry["pass_at_k"]["4"] and line["eval/maj@2"] == entry["maj_at_k"]["2"]
    assert line["eval/contaminated"] == 0.0
    assert entry["contamination"]["share"] == 0.0 and entry["contamination"]["accuracy_clean"] == entry["accuracy"]


def test_evaluates_on_a_file_while_trained_on_arithmetic(evaluated: Path) -> None:
    entries = by_mode(evaluated, "rl_eval")
    assert entries["greedy"]["n"] == entries["sampled"]["n"] == 7
    assert entries["sampled"]["temperature"] == 0.6 and entries["sampled"]["top_p"] == 0.95
    assert entries["greedy"]["temperature"] == 0.0
    known = entries["greedy"]["contamination"]
    assert 0 < known["exact"] < 1 and known["ngram"] == 0.0  # `what is 9+9?` is new
    assert known["ngram_words"] == 10  # a file's
    problems = json.loads((evaluated / "stages" / "rl_eval" / "problems.json").read_text())
    assert len(problems["greedy"]) == 7


def test_the_engine_gets_the_stages_own_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grpo.rollouts.transformers_engine import TransformersEngine

    sample, seen = TransformersEngine.sample, []

    def watched(self: TransformersEngine, prompts: list[Prompt], settings: SamplingSettings) -> Any:
        seen.append((settings.temperature, settings.top_p, settings.completions_per_prompt))
        return sample(self, prompts, settings)

    monkeypatch.setattr(TransformersEngine, "sample", watched)
    run_here(
        tmp_path,
        "pipeline=[rl_eval]",
        "stages.rl_eval.model_from=base",
        "rollout.temperature=0.8",  # training's: no evaluation follows it
        "stages.rl_eval.samples_per_problem=2",
        "stages.rl_eval.rollout.top_p=0.9",
    )
    assert seen == [(1.0, 0.9, 2), (0.0, 1.0, 1)]


def test_a_pipeline_that_trains_nothing_checks_nothing(tmp_path: Path) -> None:
    _, folder = run_here(tmp_path, "pipeline=[rl_eval]", "stages.rl_eval.model_from=base")
    assert by_mode(folder, "rl_eval")["greedy"]["contamination"] is None
    assert "eval/contaminated" not in metrics(folder)[0]


def test_training_data_is_read_once_for_evaluations_of_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grpo.stages import evaluate

    compare, calls = evaluate.contamination, []

    def counted(held_out: Any, training: Any, ngram_words: int | None) -> Any:
        calls.append((len(held_out), ngram_words))
        return compare(held_out, training, ngram_words)

    monkeypatch.setattr(evaluate, "contamination", counted)
    run_here(tmp_path, "pipeline=[cold_start,cold_start_eval,rl_eval]", "stages.rl_eval.model_from=cold_start")
    assert calls == [(8, None)]  # generated: compared whole
