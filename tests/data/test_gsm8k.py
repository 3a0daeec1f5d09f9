"""The published GSM8K files, read where they lie: `GRPO_DATA` names the folder that holds `gsm8k/`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from grpo.config.slices import DataConfig
from grpo.data.files import load_problems
from grpo.rewards.format import think_answer_format
from grpo.rewards.integer import exact_integer

FOLDER = os.environ.get("GRPO_DATA")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="GRPO_DATA is not set: the folder with gsm8k/train.jsonl")


@pytest.fixture(scope="module")
def gsm8k() -> DataConfig:
    folder = Path(str(FOLDER)) / "gsm8k"
    return DataConfig(
        source="files",
        path=str(folder / "train.jsonl"),
        eval_path=str(folder / "test.jsonl"),
        eval_rows=2000,
        gold_after="#### ",
        demonstration_column="answer",
    )


def test_every_row_is_read(gsm8k: DataConfig) -> None:
    train, held_out = load_problems(gsm8k), load_problems(gsm8k, "held_out")
    assert (len(train), len(held_out)) == (7473, 1319)
    assert (train[0].id, train[0].answer, train[1].answer) == ("train/1", "72", "10")
    assert train[0].demonstration == (
        "<think>Natalia sold 48/2 = 24 clips in May.\n"
        "Natalia sold 48+24 = 72 clips altogether in April and May.</think><answer>72</answer>"
    )
    assert not {problem.prompt for problem in train} & {problem.prompt for problem in held_out}


def test_every_demonstration_earns_both_rewards(gsm8k: DataConfig) -> None:
    problems = load_problems(gsm8k) + load_problems(gsm8k, "held_out")
    texts = [str(problem.demonstration) for problem in problems]
    assert not any("<<" in text or ">>" in text for text in texts)
    assert set(exact_integer(texts, answer=[problem.answer for problem in problems])) == {1.0}
    assert set(think_answer_format(texts)) == {1.0}
    shifted = [problem.answer for problem in problems[1:] + problems[:1]]
    assert sum(exact_integer(texts, answer=shifted)) < 0.05 * len(texts)
