"""The benchmark measures what it says: equal gradients, whole records, and figures that follow from each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import benchmarks.__main__ as bench
from benchmarks import update
from benchmarks.memory import peak_bytes
from benchmarks.workload import CASES, Sizes, made_up_trees, scratch_model
from grpo.update.policy import Policy

TINY = Sizes(prompts=3, completions=2, max_tokens=4, repeats=2, seed=5)


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return bench.measure(TINY, ["transformers"], memory=False)


def test_the_record_has_every_field_and_survives_json(record: dict[str, Any]) -> None:
    assert json.loads(json.dumps(record)).keys() == record.keys()
    assert record.keys() == {"device", "versions", "commit", "seed", "shapes", "update", "sampling"}
    assert record["seed"] == 5 and record["device"].keys() == {"name", "cores", "threads"}
    assert {"python", "torch", "transformers"} <= record["versions"].keys()
    shapes = record["shapes"]
    assert (shapes["prompts"], shapes["completions"], shapes["max_tokens"], shapes["repeats"]) == (3, 2, 4, 2)
    assert shapes["parameters"] == 658_560
    engine = record["sampling"]["transformers"]
    assert len(engine["seconds"]) == 2 and engine["tokens_per_second"] > 0
    assert engine["probe_logprob_diff_max"] < 1e-5
    assert engine["update_and_probe_seconds"] > engine["weight_update_seconds"] > 0


def test_figures_follow_from_the_measured_seconds(record: dict[str, Any]) -> None:
    for case, row in record["update"].items():
        trees = made_up_trees(CASES[case], TINY, vocabulary=262)
        assert row["completion_tokens"] == sum(tree.tokens for tree in trees)
        median = {name: sum(times) / 2 for name, times in row["seconds"].items()}
        assert row["speedup_of_packing"] == pytest.approx(median["padded"] / median["packed"])
        assert row["tokens_per_second"]["packed"] == pytest.approx(row["completion_tokens"] / median["packed"])


def test_packed_and_padded_gradients_agree(record: dict[str, Any]) -> None:
    for row in record["update"].values():
        assert row["gradient_difference"] < 1e-5


def test_a_wrong_pass_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Advantages given to the wrong completions: the same speed, another gradient."""
    monkeypatch.setattr(update, "columns_of", lambda trees, device: _Reversed(trees))
    policy = Policy(scratch_model(tmp_path / "model", 0).model)
    assert update.compare(policy, CASES["arithmetic"], TINY)["gradient_difference"] > 0.1


class _Reversed:
    def __init__(self, trees: list[update.Tree]) -> None:
        self.advantage = torch.tensor([-branch.advantage for tree in trees for branch in tree.branches])


def test_padded_batches_hold_every_row_once_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update, "MICRO_BATCH", 700)
    trees = made_up_trees(CASES["long_prompt"], TINY, vocabulary=262)
    batches = list(update.padded_batches(trees))
    assert [row for batch in batches for row in batch] == [(t.prompt_ids, b) for t in trees for b in t.branches]
    for batch in batches:
        longest = max(len(prompt) + len(branch.token_ids) - 1 for prompt, branch in batch)
        assert len(batch) * longest <= 700
    assert len(batches) > 1


def test_the_table_and_the_file(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_failure = record | {"sampling": record["sampling"] | {"vllm": {"error": "needs vllm"}}}
    monkeypatch.setattr(bench, "measure", lambda sizes, engines: with_failure)
    assert bench.main(["--quick", "--out", str(tmp_path / "out.json")]) == 1
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(json.dumps(with_failure))
    text = capsys.readouterr().out
    assert all(word in text for word in ("658,560 parameters", *CASES, "transformers", "needs vllm"))


@pytest.mark.slow
def test_peak_memory_counts_weights_gradients_and_moments() -> None:
    """At least the four copies of the weights that AdamW needs; far less than the libraries themselves."""
    peak = peak_bytes("packed", "arithmetic", TINY)
    assert 4 * 4 * 658_560 < peak < 500 * 2**20
