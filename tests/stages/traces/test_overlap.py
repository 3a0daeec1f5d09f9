"""Which questions count as seen by the run's evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from grpo.config.load import load_config
from grpo.config.slices import ArithmeticConfig
from grpo.config.stages_data import DataSetConfig
from grpo.data.arithmetic import held_out_problems, training_problems
from grpo.data.load import load_split
from grpo.stages.context import RunContext
from grpo.stages.traces.overlap import EvaluatedOn, evaluated_on
from grpo.types import Problem

REJECTION = [
    "+stage@stages.rejection=rejection",
    "pipeline=[cold_start,rejection,rl_eval]",
    "stages.rl_eval.model_from=cold_start",
]
TEST = "How many of the nine red apples are left when Tom eats two"
"""13 words."""


def held(*overrides: str) -> EvaluatedOn:
    config = load_config([*REJECTION, *overrides])
    stage = config.stages["rejection"]
    assert isinstance(stage, DataSetConfig)

    def problems(stage: DataSetConfig, which: str) -> list[Problem]:
        assert which == "held_out"
        return load_split(stage.data, "held_out", None if stage.data_from == "base" else stage.data_from)

    return evaluated_on(stage, cast(RunContext, SimpleNamespace(config=config, problems=problems)))


def asked(prompt: str) -> Problem:
    return Problem(id="x", prompt=prompt, answer="1")


def files(folder: Path) -> list[str]:
    for name, question in (("train", "Something else"), ("test", TEST)):
        (folder / f"{name}.jsonl").write_text(json.dumps({"question": question, "answer": "7"}))
    return ["data=files", f"data.path={folder}/train.jsonl", f"data.eval_path={folder}/test.jsonl"]


def test_ten_words_by_default_and_eight_as_in_s1(tmp_path: Path) -> None:
    words = TEST.split()
    eight, ten = (asked("Say: " + " ".join(words[:count]) + "?") for count in (8, 10))
    assert ten in held(*files(tmp_path)) and eight not in held(*files(tmp_path))
    assert eight in held(*files(tmp_path), "stages.rejection.decontaminate=8")
    assert asked("Something else") not in held(*files(tmp_path))


def test_off_or_without_an_evaluation_nothing_counts(tmp_path: Path) -> None:
    assert held(*files(tmp_path), "stages.rejection.decontaminate=0") == EvaluatedOn()
    assert held(*files(tmp_path), "pipeline=[cold_start,rejection]") == EvaluatedOn()


def test_every_set_that_is_measured_counts(tmp_path: Path) -> None:
    """The second evaluation has a file of its own; the budget stage shares the first one's."""
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps({"question": "What is two and two?", "answer": "4"}))
    found = held(
        *files(tmp_path),
        "+stage@stages.more=evaluate",
        f"stages.more.data_from={own}",
        "+stage@stages.forced=budget",
        "pipeline=[cold_start,rejection,rl_eval,more,forced]",
    )
    assert len(found.sets) == 2 and asked(TEST) in found and asked("what is two and two?") in found


def test_a_set_the_run_writes_itself_is_no_held_out_one() -> None:
    assert held("stages.rl_eval.data_from=rejection") == EvaluatedOn()


def test_generated_problems_are_compared_whole() -> None:
    """Eleven characters of which ten are another problem's: n-grams would drop most of the Chinese half."""
    task = ArithmeticConfig(operands=4, languages=["en", "zh"], problems=2000, held_out=100)
    words = ["data.arithmetic.languages=[en,zh]", "data.arithmetic.problems=2000", "data.arithmetic.held_out=100"]
    found = held(*words, "stages.rejection.decontaminate=8")
    training = training_problems(task)
    assert not any(problem in found for problem in training)
    assert all(problem in found for problem in held_out_problems(task))
    assert sum(len(str(problem.prompt)) > 10 for problem in training) > 1000
