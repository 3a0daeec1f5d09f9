"""The sampling benchmark gives every figure, and an engine that is not there its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import sampling
from benchmarks.sampling import Sizes, measure

TINY = Sizes(prompts=3, completions=2, max_tokens=4, repeats=2, seed=5)


def test_the_record_the_table_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = measure(TINY, ["transformers"])
    engine = record["engines"]["transformers"]
    assert record["parameters"] == 658_560 and record["sizes"]["max_tokens"] == 4
    assert len(engine["seconds"]) == 2 and engine["tokens_per_second"] > 0
    assert engine["probe_logprob_diff_max"] < 1e-5
    assert engine["update_and_probe_seconds"] > engine["weight_update_seconds"] > 0
    with_failure = record | {"engines": record["engines"] | {"vllm": {"error": "needs vllm"}}}
    monkeypatch.setattr(sampling, "measure", lambda sizes, engines: with_failure)
    assert sampling.main(["--quick", "--out", str(tmp_path / "out.json")]) == 1
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(json.dumps(with_failure))
    text = capsys.readouterr().out
    assert all(word in text for word in ("658,560 parameters", "transformers", "needs vllm"))
