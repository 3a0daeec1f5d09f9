"""The commands of docs/data_sets.md and docs/rewards.md, word for word but for sizes and places: s1, and all of R1."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from transformers import AutoTokenizer

from grpo.config.check import check
from grpo.config.load import load_config
from grpo.run.pipeline import run_pipeline
from grpo.update.supervised import supervised_step
from tests.docs.reward_model import SOURCE, write_reward_model
from tests.docs.test_docs import ROOT, commands
from tests.endpoint import Handler, Server, server
from tests.run.running import metrics, newest, summary

pytestmark = pytest.mark.slow
__all__ = ["server"]
"""The fixture."""
REWARD = f"{Path(__file__).parent}/any_digit_reward.py:any_digit"
SIZES = ["debug=tiny", "logger=[file]", "checkpoint.every=25"]
SELDOM = f"{Path(__file__).parent}/low_digit_reward.py:low_digit"
RANDOM_TEXT = [f"reward.functions=[{REWARD}]", "reward.weights=[1.0]", "reward.in_process=true"]
"""Any digit is right: a model of these sizes seldom writes the right one."""


def documented(page: str, sign: str) -> list[str]:
    """The words of the one command of a page that has this one."""
    [found] = [words for words in commands(ROOT / "docs" / page) if sign in words]
    return found


def run(root: Path, *words: str) -> Path:
    assert run_pipeline(load_config([*words, f"run_root={root}"])) == 0
    return newest(root)


def rows_of(folder: Path, stage: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parquet.read_table(folder / "stages" / stage / "dataset.parquet").to_pylist()
    return found


def dropped(folder: Path, stage: str) -> dict[str, int]:
    """What each filter dropped; with what is kept it is all that was sampled."""
    counts = summary(folder)["data_sets"][stage]
    found = {entry["filter"]: entry["completions"] for entry in counts["dropped"]}
    assert counts["sampled"] == counts["kept"] + sum(found.values())
    return found


TASK = ["data.arithmetic.operands=3", "data.arithmetic.problems=600"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documented first run."""
    words = documented("data_sets.md", "name=teacher")
    few = ["stages.rl.steps=2", "stages.rl.prompts_per_step=4"]
    return run(tmp_path_factory.mktemp("teacher"), *words, *SIZES, *RANDOM_TEXT, *TASK, *few)


def test_s1_on_a_cpu(teacher: Path, tmp_path: Path) -> None:
    words = [word.replace("$RUN", str(teacher)) for word in documented("data_sets.md", "name=s1_small")]
    check(load_config(words))
    few = [
        "stages.sft.steps=3",
        "stages.distill.select=10",
        "stages.distill.student_samples=3",
        f"reward.functions=[{SELDOM}]",
        "~reward.settings.math_answer",
        "rollout.completions_per_prompt=1",
    ]
    folder = run(tmp_path, *words, *SIZES, *RANDOM_TEXT, *TASK, *few)
    rows, found = rows_of(folder, "distill"), summary(folder)
    assert len(rows) == 10 and {row["sampler"] for row in rows} == {str(teacher / "model")}
    assert found["data_sets"]["distill"]["sampled"] == 600 and dropped(folder, "distill")["contaminated"] == 0
    files = sorted((folder / "stages" / "distill" / "student").iterdir())
    answers = [sample for file in files for sample in json.loads(file.read_text())["samples"]]
    right = Counter(one["problem_id"] for one in answers if set(one["text"]) & set("012"))
    asked = {one["problem_id"] for one in answers}
    solved = {name for name, count in right.items() if count >= 2}
    assert len(answers) == 3 * len(asked) and 0 < len(solved) < len(right)  # one of three is less than half
    assert dropped(folder, "distill")["solved"] == len(solved)
    assert not {row["problem_id"] for row in rows} & solved
    assert [line["stage"] for line in metrics(folder)] == ["distill", "sft", "sft", "sft", "sft_eval"]
    assert [entry["stage"] for entry in found["eval"]] == ["sft_eval"] * 2 and (folder / "model").is_dir()


def test_s1_with_an_endpoint(teacher: Path, server: Server, tmp_path: Path) -> None:
    """Of ten questions one shares nine words with a held-out one, and to one the endpoint gives a wrong answer."""
    held_out = "A baker has twelve loaves and sells all but five of them. How many are left?"
    asked = [f"Ann has {number} pears and finds none. How many has she?" for number in range(8)]
    asked += ["My baker has twelve loaves and sells all but three.", "What is wrong?"]
    for name, questions in (("train", asked), ("test", [held_out])):
        lines = [json.dumps({"question": question, "answer": "So it is.\n#### 7"}) for question in questions]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))

    def answer(handler: Handler, body: dict[str, Any], _: int) -> None:
        number = 8 if "wrong" in body["messages"][-1]["content"] else 7
        handler.complete(f"It is \\boxed{{{number}}}.", reasoning_content=f"seven, so {number}")

    server.answer = answer
    words = documented("data_sets.md", "stages.distill.teacher=r1@http://127.0.0.1:8000/v1")
    check(load_config([*words, "rollout=transformers"]))
    places = [
        *("rollout=transformers", "threads=1", "model.dtype=float32", f"stages.distill.teacher=r1@{server.url}"),
        *(f"model.name={teacher}/stages/cold_start/model", "stages.sft.steps=2", "rollout.max_tokens=100"),
        "rollout.completions_per_prompt=1",
        *(f"data.path={tmp_path}/train.jsonl", f"data.eval_path={tmp_path}/test.jsonl"),
    ]
    folder = run(tmp_path / "runs", *words, *SIZES, *places)
    counts = {name: count for name, count in dropped(folder, "distill").items() if count}
    assert counts == {"wrong": 1, "contaminated": 1} and len(server.seen) == 10
    rows = rows_of(folder, "distill")
    assert {row["prompt"] for row in rows} == set(asked[:8])
    assert {row["demonstration"] for row in rows} == {"<think>seven, so 7</think>It is \\boxed{7}."}
    assert (folder / "model").is_dir()


def test_the_whole_of_r1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """General rows are a quarter of what the second SFT trains on, and the reward model judges the last stage alone."""
    monkeypatch.chdir(tmp_path)
    write_reward_model(tmp_path / "reward_model")
    Path("my_rewards.py").write_text(SOURCE, encoding="utf-8")
    general = [json.dumps({"question": f"say {number}", "demonstration": f"here: {number}"}) for number in range(200)]
    Path("general.jsonl").write_text("\n".join(general), encoding="utf-8")
    batches: list[list[Any]] = []
    whole = supervised_step

    def seen(policy: Any, optimizer: Any, trees: Any, limits: Any) -> dict[str, float]:
        batches.append(list(trees))
        return whole(policy, optimizer, trees, limits)

    monkeypatch.setattr("grpo.stages.sft.supervised_step", seen)
    words = documented("rewards.md", "+stage@stages.rl3=reinforce")
    check(load_config([*words, "rollout=transformers"]))
    few = [
        *("rollout=transformers", "threads=1", "data.arithmetic.operands=3", "data.arithmetic.problems=16"),
        *("~reward.settings.language_consistency", "stages.rl3.reward.in_process=false"),
        *("stages.rl.prompts_per_step=4", "stages.rl1.steps=1", "stages.rl2.steps=1", "stages.rl3.steps=2"),
        *("stages.rl3.prompts_per_step=4", "stages.sft2.steps=1", "stages.sft2.demonstrations_per_step=100"),
    ]
    folder = run(tmp_path / "runs", *words, *SIZES, *RANDOM_TEXT, *few)

    rows = rows_of(folder, "rejection")
    mixed = [row for row in rows if row["origin"] == "general"]
    assert len(mixed) == round((len(rows) - len(mixed)) / 3) >= 2 and len(rows) <= 100
    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    epoch = [tokenizer.decode(tree.branches[0].token_ids[:-1]) for tree in batches[-1][: len(rows)]]
    assert Counter(epoch) == Counter(row["demonstration"] for row in rows)
    assert len(batches[-1]) == 100 and sum(text.startswith("here: ") for text in epoch) == len(mixed)

    lines = metrics(folder)
    assert {line["stage"] for line in lines if "rewards/Preference/mean" in line} == {"rl3"}
    judged = [line for line in lines if line["stage"] == "rl3"]
    assert len(judged) == 2 and all(0 < line["rewards/Preference/mean"] < 1 for line in judged)
    assert all(line["rewards/Preference/std"] > 0 and line["reward_errors"] == 0 for line in judged)
    parts = {"exact_integer": 1.0, "think_answer_format": 0.1, "language_consistency": 1.0, "Preference": 0.5}
    for line in judged:
        assert line["reward"] == pytest.approx(sum(w * line[f"rewards/{name}/mean"] for name, w in parts.items()))
    assert [entry["stage"] for entry in summary(folder)["eval"]][-1] == "rl3_eval"
