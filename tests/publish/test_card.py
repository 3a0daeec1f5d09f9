"""The model card of a run written by hand: what it must say, and what it must never say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from grpo.publish.facts import license_of, root_model
from grpo.publish.public import is_local, public
from tests.publish.cards import COMMIT, SECRET, card_of, make_run


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    return card_of(make_run(tmp_path / "run", f"data.prompt_column={SECRET}"))


def front(card: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return found


def test_the_head_is_what_the_hub_reads(files: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(files["README.md"])
    data = ModelCard.load(path).data  # parses the model index into results, and raises where it cannot
    assert (data.base_model, data.library_name, data.pipeline_tag) == (
        "Qwen/Qwen2.5-0.5B", "transformers", "text-generation"
    )  # fmt: skip
    assert data.datasets == ["openai/gsm8k"] and data.language == ["en"] and data.license is None
    assert data.tags == ["grpo", "sft", "reinforcement-learning"]
    results = {one.metric_name: one for one in data.eval_results}
    one = results["sampled accuracy (95 % interval 34.9 % to 48.4 %)"]
    assert (one.metric_type, one.metric_value, one.dataset_type, one.dataset_split) == (
        "accuracy", 0.415, "openai/gsm8k", "held_out"
    )  # fmt: skip
    assert len(results) == 2  # the evaluation after the cold start is of another model


def test_the_text_says_what_the_run_knows(files: dict[str, str]) -> None:
    card = files["README.md"]
    for said in (
        "| `rl_eval` | held_out | greedy | **43.0 %** | 36.3 % to 49.9 % | 200 | 1 |",
        "| `cold_start_eval` | held_out | greedy | 20.0 % | 15.0 % to 26.0 % | 200 | 1 |",
        "| `cold_start_eval` to `rl_eval`, first to last | greedy | **+23.0** | +17.0 to +29.0 |",
        "| `cold_start` | supervised fine-tuning | `base` | `steps` 2,",
        "Not at its default: `clip_high` 0.28 (default 0.2).",
        "`path` openai/gsm8k", "`rows` 400", "Seed of the run: 7.",
        "| `exact_integer` | 1 |  |", "| `mine.py:near_miss` | 0.25 |  |",
        "| `language_consistency` | 0.5 | `target` en |", "Think first.",
        "| 1 | 0.1 |\n| 2 | 0.2 |\n| 3 | 0.3 |", "![reward over the steps](training_curve.svg)",
        "| `rl` | 2 h 00 min | 123,456 | 1,000 | 2.00 GiB | 2.000 | 5.00 USD |", "| total | 2 h 06 min |",
        'from_pretrained(folder, dtype="float32")',
        "vllm serve model --dtype float32 --port 8000", "No licence is stated", COMMIT, "| engine vllm | 0.32.0 |",
        "| torch | 2.13.0 |", "3.20e-06 nats",
    ):  # fmt: skip
        assert said in card, said
    assert files["training_curve.svg"].startswith("<svg xmlns=") and "reward: 0.1" in files["training_curve.svg"]


def test_no_path_and_no_secret(files: dict[str, str], tmp_path: Path) -> None:
    assert "`prompt_column` [redacted]" in files["README.md"]
    for text in files.values():
        assert SECRET not in text and str(tmp_path) not in text and "someone" not in text
        assert not re.search(r"(?<![\w.:/<])/(?:home|root|tmp|work|usr)\b", text)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (card_of(make_run(tmp_path / name)) for name in ("one", "two"))
    assert first == second


def test_a_local_base_is_named_by_its_last_component(tmp_path: Path) -> None:
    base = tmp_path / "somewhere" / "my_base"
    base.mkdir(parents=True)
    (base / "config.json").write_text("{}")
    (base / "README.md").write_text("---\nlicense: mit\ntags: [a]\n---\n# A base\n")
    run = make_run(tmp_path / "run", f"model.name={base}", "model.lora.rank=8")
    card = card_of(run, base)["README.md"]
    assert "The base is `my_base`. Adapters of rank 8" in card and "somewhere" not in card
    head = front(card)
    assert "base_model" not in head, "the hub would take it for one of its own"
    assert head["license"] == "mit" and "lora" in head["tags"] and "No licence is stated" not in card
    own = front(
        card_of(make_run(tmp_path / "own", f"model.name={base}", "stages.export.license=cc0-1.0"), base)["README.md"]
    )
    assert own["license"] == "cc0-1.0"


def test_a_run_that_knows_little_has_a_card_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "model.name=scratch", "data=arithmetic", "pipeline=[export]")
    (run / "metrics.jsonl").unlink()
    (run / "summary.json").write_text("{}")
    files = card_of(run)
    assert set(files) == {"README.md"}
    card = files["README.md"]
    assert "This very model was not evaluated" in card and "It was not evaluated" in card
    assert "initialised at random" in card and "## Cost" not in card and "model-index" not in front(card)


def test_free_computing_is_not_called_costless(tmp_path: Path) -> None:
    card = card_of(make_run(tmp_path / "run", "cost.price_per_device_hour=0.0"))["README.md"]
    assert "| `rl` | 2 h 00 min | 123,456 | 1,000 | 2.00 GiB | 2.000 |\n" in card


def test_root_model_follows_the_chain() -> None:
    stages = {"a": {"model_from": "base"}, "b": {"model_from": "a"}, "export": {"model_from": "b"}}
    assert root_model({"model": {"name": "x/y"}, "stages": stages}, "export") == "x/y"
    stages["a"]["model_from"] = "runs/earlier/model"
    assert root_model({"model": {"name": "x/y"}, "stages": stages}, "export") == "runs/earlier/model"


@pytest.mark.parametrize("card", ["", "# none\n", "---\n- a\n---\n", "---\n{\n---\n", "---\ntags: a\n---\n"])
def test_cards_without_a_licence(tmp_path: Path, card: str) -> None:
    assert license_of(tmp_path) is None
    (tmp_path / "README.md").write_text(card)
    assert license_of(tmp_path) is None


def test_what_is_a_local_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "small").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    local = ["/a/b", "~/b", "../b", "models/small", "data/rows.jsonl", "mine/r.py:f", "C:\\b", "\\\\host\\b"]
    assert [is_local(one) for one in local] == [True] * len(local)
    other = ["openai/gsm8k", "pkg.module.fn", "exact_integer", "models", "a question / an answer", "+-", ""]
    other.append("<think> reasoning </think> " + 20 * "a sentence longer than any name of a file. ")
    assert [is_local(one) for one in other] == [False] * len(other)
    assert public({"a": ["mine/r.py:f", 1], "b": "x/y"}) == {"a": ["r.py:f", 1], "b": "x/y"}
