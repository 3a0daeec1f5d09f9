"""Stages that write a data set, inside whole runs: what they leave, who trains on it, and what a kill costs."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from grpo.data.trace_file import read_traces
from grpo.stages.traces.collect import Collector
from grpo.track.names import check_names
from tests.endpoint import Handler, Server, server
from tests.run.running import assert_same_run, metrics, newest, run_here, summary

REWARD = f"{Path(__file__).parent}/any_digit_reward.py:any_digit"
SIZES = [
    "rollout=scripted",  # random text of at most 24 tokens, every completion ended
    "rollout.max_tokens=32",
    f"reward.functions=[{REWARD}]",
    "reward.weights=[1.0]",
    "reward.in_process=true",
    "data.arithmetic.problems=40",
]
REJECTION = [
    *SIZES,
    "+stage@stages.rejection=rejection",
    "+stage@stages.sft2=sft",
    "pipeline=[cold_start,rejection,sft2,rl_eval,export]",
    "stages.rejection.model_from=cold_start",
    "stages.rejection.per_problem=2",
    "stages.rejection.rollout.completions_per_prompt=6",
    "stages.sft2.data_from=rejection",
    "stages.sft2.steps=3",
    "stages.sft2.demonstrations_per_step=8",
    "stages.rl_eval.model_from=sft2",
    "stages.export.model_from=sft2",
]


__all__ = ["server"]
"""The fixture."""


class Died(BaseException):
    """Stands for a crash; nothing catches it."""


@pytest.fixture(autouse=True)
def small_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 problems of 6 completions in 10 calls."""
    monkeypatch.setattr("grpo.config.stages_data.SAMPLED_AT_ONCE", 24)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("grpo.config.stages_data.SAMPLED_AT_ONCE", 24)
        code, folder = run_here(tmp_path_factory.mktemp("unbroken"), *REJECTION)
    assert code == 0
    return folder


def table(folder: Path, stage: str = "rejection") -> list[dict[str, Any]]:
    """The rows of a stage's data set, without the name of the run, which no two runs share."""
    found: list[dict[str, Any]] = parquet.read_table(folder / "stages" / stage / "dataset.parquet").to_pylist()
    assert {row.pop("run") for row in found} == {folder.name}
    return found


def samples(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "stages" / "rejection" / "samples").iterdir())
    return [sample for file in files for sample in json.loads(file.read_text())["samples"]]


def test_the_data_set_is_what_a_second_implementation_keeps(unbroken: Path) -> None:
    everything = samples(unbroken)
    assert len(everything) == 40 * 6 and len({one["problem_id"] for one in everything}) == 40
    expected: list[tuple[str, int, str]] = []
    for one in everything:
        mine = [text for name, _, text in expected if name == one["problem_id"]]
        right = any(digit in one["text"] for digit in "0123456789") and one["finish_reason"] == "stop"
        if right and len(mine) < 2 and one["text"].split() not in [text.split() for text in mine]:
            expected.append((one["problem_id"], one["index"], one["text"]))
    rows = table(unbroken)
    assert [(row["problem_id"], row["completion_index"], row["demonstration"]) for row in rows] == expected
    assert 20 < len(rows) < 80
    counts = json.loads((unbroken / "stages" / "rejection" / "dataset.json").read_text())
    dropped = {entry["filter"]: entry["completions"] for entry in counts["dropped"]}
    assert counts["sampled"] == 240 == counts["kept"] + sum(dropped.values()) and counts["kept"] == len(rows)
    assert dropped["wrong"] == sum(one["rewards"][0][1] == 0 for one in everything) == 240 - counts["right"]
    assert counts["problems"] == 40 and counts["problems_covered"] == len({row["problem_id"] for row in rows})
    assert summary(unbroken)["data_sets"] == {"rejection": counts}
    file = unbroken / counts["file"]
    assert file == unbroken / "stages" / "rejection" / "dataset.parquet"
    assert counts["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (counts["sampler"], counts["weight_version"], counts["base_model"]) == ("cold_start", 2, "scratch")
    assert counts["sampling"]["completions_per_prompt"] == 6


def test_provenance_and_account(unbroken: Path) -> None:
    everything, found = samples(unbroken), summary(unbroken)
    for row in table(unbroken):
        assert (row["sampler"], row["stage"], row["base_model"], row["weight_version"], row["seed"]) == (
            "cold_start", "rejection", "scratch", 2, 0
        )  # fmt: skip
        assert row["sampling"]["completions_per_prompt"] == 6 and row["sampling"]["max_tokens"] == 32
        assert row["git_commit"] == found["git_commit"]
        assert row["rewards"] == [{"name": "any_digit", "value": 1.0}] and row["total"] == 1.0
    stage = found["stages"]["rejection"]
    assert stage["tokens_sampled"] == sum(one["tokens"] for one in everything) and stage["tokens_trained"] == 0
    (line,) = [line for line in metrics(unbroken) if line["stage"] == "rejection"]
    check_names({key: value for key, value in line.items() if key not in ("step", "stage", "stage_step")})
    assert line["traces/sampled"] == 240 and line["traces/kept"] == len(table(unbroken))
    assert line["num_tokens"] == stage["tokens_sampled"] + stage["tokens_prompted"]


def test_report_and_card_show_it_and_the_dashboards_its_cost(unbroken: Path) -> None:
    counts = summary(unbroken)["data_sets"]["rejection"]
    page, card = (unbroken / "report.html").read_text(), (unbroken / "model" / "README.md").read_text()
    for text in (page, card):
        assert counts["sha256"] in text and counts["file"] in text and "wrong: the answer is not right" in text
    assert f"| kept | {counts['kept']} |" in card and "- trained on by: sft2\n" in card
    lines = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    (line,) = [line for line in lines if line["stage"] == "rejection"]
    assert line["cost/loaded"] >= line["cost/final"] > 0 and "cost/final_amount" not in line


@pytest.mark.slow
def test_the_supervised_stage_trains_on_it(unbroken: Path, tmp_path: Path) -> None:
    """The file, given by path in another run, trains the same model to the same weights."""
    path = unbroken / "stages" / "rejection" / "dataset.parquet"
    assert len(read_traces(str(path))) == len(table(unbroken))
    overrides = [one for one in REJECTION if "rejection" not in one and "pipeline" not in one]
    code, folder = run_here(
        tmp_path, *overrides, "pipeline=[cold_start,sft2,rl_eval,export]", f"stages.sft2.data_from={path}"
    )
    assert code == 0
    lines = [[{k: v for k, v in m.items() if k != "step"} for m in metrics(run) if m["stage"] == "sft2"]
             for run in (unbroken, folder)]  # fmt: skip
    assert lines[0] == lines[1] and len(lines[0]) == 3


@pytest.mark.parametrize("call", [pytest.param(1, marks=pytest.mark.slow), 6])
def test_killed_in_the_middle_it_goes_on(
    call: int, unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    whole = Collector._call

    def counted(self: Collector, problems: Any, clock: Any) -> dict[str, Any]:
        calls.append(len(problems))
        return whole(self, problems, clock)

    def dying(self: Collector, problems: Any, clock: Any) -> dict[str, Any]:
        if len(calls) == call:
            raise Died
        return counted(self, problems, clock)

    with monkeypatch.context() as patch:
        patch.setattr(Collector, "_call", dying)
        with pytest.raises(Died):
            run_here(tmp_path, *REJECTION)
    assert not (newest(tmp_path) / "stages" / "rejection" / "dataset.parquet").exists()
    monkeypatch.setattr(Collector, "_call", counted)
    code, folder = run_here(tmp_path, *REJECTION, "resume=auto")
    assert code == 0 and calls == [4] * 10  # none of them twice
    assert table(folder) == table(unbroken)
    assert metrics(folder) == metrics(unbroken)
    assert_same_model(folder, unbroken)


def assert_same_model(one: Path, other: Path) -> None:
    first, second = ((run / "model" / "model.safetensors").read_bytes() for run in (one, other))
    assert first == second


@pytest.mark.slow
def test_killed_between_data_set_and_done_it_goes_on(
    unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("grpo.run.summary.Summary.add_data_set", lambda *_: (_ for _ in ()).throw(Died()))
        with pytest.raises(Died):
            run_here(tmp_path, *REJECTION)
    code, folder = run_here(tmp_path, *REJECTION, "resume=auto")
    assert code == 0 and table(folder) == table(unbroken) and metrics(folder) == metrics(unbroken)


@pytest.mark.slow
def test_an_interruption_ends_between_calls(unbroken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        asked = property(lambda _: "SIGTERM" if len(list(tmp_path.glob("*/stages/rejection/samples/*"))) >= 3 else None)
        patch.setattr("grpo.run.interrupt.Interruption.requested", asked)
        run_here(tmp_path, *REJECTION)
    stopped = newest(tmp_path)
    assert summary(stopped)["status"] == "interrupted" and len(samples(stopped)) == 3 * 24
    code, folder = run_here(tmp_path, *REJECTION, "resume=auto")
    assert code == 0 and table(folder) == table(unbroken)


@pytest.mark.slow
def test_nothing_left_says_what_dropped_it(tmp_path: Path) -> None:
    code, folder = run_here(tmp_path, *REJECTION, "stages.rejection.rollout.max_tokens=1")
    assert code == 1
    assert "stages.rejection: none of 240 completions is left; dropped: wrong" in summary(folder)["error"]


@pytest.mark.slow
def test_general_rows_are_a_quarter(unbroken: Path, tmp_path: Path) -> None:
    general = tmp_path / "general.jsonl"
    rows = [{"question": f"say {i}", "demonstration": f"here: {i}", "id": "same"} for i in range(200)]
    general.write_text("\n".join(map(json.dumps, rows)))
    code, folder = run_here(tmp_path / "runs", *REJECTION, f"stages.rejection.mix_path={general}")
    assert code == 0
    found = table(folder)
    mixed = [row for row in found if row["origin"] == "general"]
    assert found[: len(found) - len(mixed)] == table(unbroken)
    assert len(mixed) == round((len(found) - len(mixed)) / 3) == summary(folder)["data_sets"]["rejection"]["general"]
    numbers = [int(row["prompt"].removeprefix("say ")) for row in mixed]
    assert numbers == sorted(set(numbers)) and numbers != list(range(len(mixed)))
    assert [row["demonstration"] for row in mixed] == [f"here: {number}" for number in numbers]


@pytest.mark.slow
def test_bad_general_rows_are_listed(tmp_path: Path) -> None:
    general = tmp_path / "general.jsonl"
    general.write_text('{"question": "a", "demonstration": " "}\n{"demonstration": "b"}\n')
    code, folder = run_here(tmp_path / "runs", *REJECTION, f"stages.rejection.mix_path={general}")
    error = summary(folder)["error"]
    assert code == 1 and "2 rows are bad" in error
    assert "row 1: column 'demonstration' has no text" in error and "row 2: column 'question' is null" in error


DISTILL = [
    *SIZES,
    "+stage@stages.distill=distill",
    "+stage@stages.sft2=sft",
    "pipeline=[distill,sft2,rl_eval,export]",
    "stages.distill.rollout.completions_per_prompt=6",
    "stages.sft2.data_from=distill",
    "stages.sft2.steps=2",
    "stages.sft2.demonstrations_per_step=8",
    "stages.rl_eval.model_from=sft2",
    "stages.export.model_from=sft2",
]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another shape than the student's."""
    sizes = ["model.scratch.hidden_size=48", "model.scratch.layers=2", "model.scratch.intermediate_size=96"]
    code, folder = run_here(tmp_path_factory.mktemp("teacher"), *SIZES, *sizes, "pipeline=[cold_start]")
    assert code == 0
    return folder / "stages" / "cold_start" / "model"


@pytest.mark.slow
def test_a_teacher_of_another_shape(teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grpo.stages import engine_slot

    started: list[Path] = []
    start = engine_slot.start_engine
    monkeypatch.setattr(engine_slot, "start_engine", lambda s: (started.append(s.model_folder), start(s))[1])
    code, folder = run_here(tmp_path / "a", *DISTILL, f"stages.distill.teacher={teacher}")
    assert code == 0
    assert started == [teacher, folder / "stages" / "sft2" / "model"]
    rows = table(folder, "distill")
    assert {row["sampler"] for row in rows} == {str(teacher)} and {row["weight_version"] for row in rows} == {0}
    _, again = run_here(tmp_path / "b", *DISTILL, f"stages.distill.teacher={teacher}")
    assert table(again, "distill") == rows
    assert_same_run_without_rollouts(folder, again)


def assert_same_run_without_rollouts(one: Path, other: Path) -> None:
    for run in (one, other):
        (run / "rollouts").mkdir(exist_ok=True)
    assert_same_run(one, other)


@pytest.mark.slow
def test_the_choice_of_s1_leaves_what_the_student_cannot_solve(teacher: Path, tmp_path: Path) -> None:
    arguments = [*DISTILL, f"stages.distill.teacher={teacher}", "stages.distill.select=9"]
    code, folder = run_here(tmp_path, *arguments, "stages.distill.per_problem=1")
    assert code == 0
    files = sorted((folder / "stages" / "distill" / "student").iterdir())
    answers = [sample for file in files for sample in json.loads(file.read_text())["samples"]]
    solved = {one["problem_id"] for one in answers if any(digit in one["text"] for digit in "0123456789")}
    rows = table(folder, "distill")
    assert len(rows) == 9 and solved and not solved & {row["problem_id"] for row in rows}
    counts = summary(folder)["data_sets"]["distill"]
    dropped = {entry["filter"]: entry["completions"] for entry in counts["dropped"]}
    assert dropped["solved"] == len(solved) and dropped["not_chosen"] == len(answers) - len(solved) - 9
    assert counts["sampled"] == 240 == counts["kept"] + sum(dropped.values())
    tokens = summary(folder)["stages"]["distill"]["tokens_sampled"]
    files = sorted((folder / "stages" / "distill" / "samples").iterdir())
    sampled = [sample for file in files for sample in json.loads(file.read_text())["samples"]]
    assert tokens == sum(one["tokens"] for one in sampled + answers)


def endpoint_run(root: Path, url: str, *more: str) -> tuple[int, Path]:
    overrides = [f"stages.distill.teacher=qwen@{url}", "stages.distill.rollout.deadline_seconds=5", *more]
    return run_here(root, *DISTILL, "rollout.deadline_seconds=5", *overrides)


@pytest.mark.slow
def test_a_teacher_behind_an_endpoint_and_a_kill(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers with a running number, so that nothing it gave may be asked for again."""
    numbers = itertools.count()
    failing = {3, 50}

    def answer(handler: Handler, body: dict[str, Any], before: int) -> None:
        number = next(numbers)
        handler.reply(400, b"no") if number in failing else handler.complete(f"<think>{number}</think>x")

    server.answer = answer
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-key")
    whole = Collector._call

    def dying(self: Collector, problems: Any, clock: Any) -> dict[str, Any]:
        if len(server.seen) >= 5 * 24:
            raise Died
        return whole(self, problems, clock)

    with monkeypatch.context() as patch:
        patch.setattr(Collector, "_call", dying)
        with pytest.raises(Died):
            endpoint_run(tmp_path, server.url)
    code, folder = endpoint_run(tmp_path, server.url, "resume=auto")
    assert code == 0 and len(server.seen) == 240  # none of them twice
    counts = summary(folder)["data_sets"]["distill"]
    dropped = {entry["filter"]: entry["completions"] for entry in counts["dropped"]}
    assert dropped["failed"] == 2 and dropped["wrong"] == 0 and counts["kept"] == len(table(folder, "distill"))
    assert {row["sampler"] for row in table(folder, "distill")} == {f"qwen@{server.url}"}
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        assert b"sk-very-secret-key" not in file.read_bytes(), file


@pytest.mark.slow
def test_an_endpoint_that_fails_ends_the_run_with_its_words(server: Server, tmp_path: Path) -> None:
    server.answer = lambda handler, body, _: handler.reply(401, b"who are you")
    code, folder = endpoint_run(tmp_path, server.url)
    assert code == 1 and "status 401: who are you" in summary(folder)["error"]
