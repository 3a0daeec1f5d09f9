"""`experiment=r1` in real processes, killed inside every stage: what it resumes to, and what that cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from grpo.config.load import load_config
from grpo.cost.project import read_past
from grpo.run.pipeline import run_pipeline
from tests.run.running import TINY, assert_same_run, metrics, newest, summary

R1 = [
    "experiment=r1",
    "debug=tiny",
    "rollout=transformers",
    "logger=[file]",
    "threads=1",
    "checkpoint.every=40",
    "stages.rejection.rollout.completions_per_prompt=32",  # four calls of 16 problems
]
STAGES = [
    "cold_start", "cold_start_eval", "rl1", "rl1_eval", "rejection", "sft2", "sft2_eval", "rl2", "rl2_eval", "export"
]  # fmt: skip
TOKENS = ("tokens_sampled", "tokens_prompted", "tokens_trained")
DEADLINE = 240.0
HINT = "Continue with the same command and resume=auto"


QUICK = [
    *TINY,
    "rollout=scripted",  # random text
    "rollout.max_tokens=32",
    f"reward.functions=[{Path(__file__).parent}/any_digit_reward.py:any_digit]",
    "reward.weights=[1.0]",
    "+stage@stages.rejection=rejection",
    "pipeline=[cold_start,cold_start_eval,rejection]",
    "stages.rejection.model_from=cold_start",
    "stages.rejection.rollout.completions_per_prompt=32",
]
"""Three stages of the embedded task, without the time to learn anything."""


def command(module: list[str], root: Path, config: list[str], *overrides: str) -> subprocess.CompletedProcess[str]:
    """A run in a process, and a process group, of its own."""
    return subprocess.run(
        [sys.executable, "-m", *module, *config, f"run_root={root}", *overrides],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
    )


def struck(
    root: Path, stage: str, moment: str, signal: str = "SIGKILL", config: list[str] = R1
) -> subprocess.CompletedProcess[str]:
    """The documented command, which gets a signal inside a stage; it resumes what there is to resume."""
    return command(["tests.run.dying", stage, moment, signal], root, config, "resume=auto")


def resume(root: Path, config: list[str] = R1) -> Path:
    """The documented command, to the end."""
    done = command(["grpo"], root, config, "resume=auto")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len([path for path in root.iterdir() if (path / "run.json").exists()]) == 1
    return newest(root)


def ledger(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "cost.jsonl").read_text().splitlines()]


def paid(rows: Iterable[dict[str, Any]], key: str) -> float:
    return sum(row.get(key, 0) for row in rows if row["event"] == "work")


def table(folder: Path) -> list[dict[str, Any]]:
    """Rows of the data set without the name of the run, and the commit, which may change while tests run."""
    rows: list[dict[str, Any]] = parquet.read_table(folder / "stages/rejection/dataset.parquet").to_pylist()
    assert {row.pop("run") for row in rows} == {folder.name}
    assert all(row.pop("git_commit", "") != "" for row in rows)
    return rows


def assert_same_results(one: Path, other: Path) -> None:
    """Losses and every other metric, rollouts, the models of all stages, the data set, evaluations: bit for bit."""
    assert_same_run(one, other)
    assert table(one) == table(other)
    found, wanted = summary(one), summary(other)
    assert found["status"] == wanted["status"] == "finished"
    for key in ("eval", "eval_gain"):
        assert found[key] == wanted[key], key
    made = [one["data_sets"]["rejection"] for one in (found, wanted)]
    assert made[0].pop("sha256") != made[1].pop("sha256") and made[0] == made[1], "the file names its run"
    models = [sorted(run.glob("**/model/model.safetensors")) for run in (one, other)]
    assert [path.relative_to(one) for path in models[0]] == [path.relative_to(other) for path in models[1]]
    assert len(models[1]) == 5
    for mine, theirs in zip(*models, strict=True):
        assert mine.read_bytes() == theirs.read_bytes(), mine


def redone(folder: Path) -> list[dict[str, Any]]:
    """The ledger's work past the step that a later process went on from."""
    found: list[dict[str, Any]] = []
    standing: list[dict[str, Any]] = []
    for row in ledger(folder):
        if row["event"] == "work":
            standing.append(row)
        elif row["resume_step"] is not None:
            found += [one for one in standing if (one["step"] or 0) > row["resume_step"]]
            standing = [one for one in standing if (one["step"] or 0) <= row["resume_step"]]
    return found


def assert_accounts(folder: Path) -> None:
    """Everything used = what stands + what was done again."""
    final, stages = summary(folder)["cost"]["final"], summary(folder)["stages"]
    for key in TOKENS:
        assert final[key] == sum(stage[key] for stage in stages.values()) + final["lost"][key], key
        assert final[key] == paid(ledger(folder), key)
    assert final["wall_seconds"] == pytest.approx(paid(ledger(folder), "seconds"))
    for name in {"rl1", "rl2"} & stages.keys():
        last = [line for line in metrics(folder) if line["stage"] == name][-1]
        assert last["num_tokens"] == stages[name]["tokens_sampled"] + stages[name]["tokens_prompted"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unbroken")
    assert run_pipeline(load_config([*R1, f"run_root={root}"])) == 0
    return newest(root)


Pieces = list[tuple[str, int, int]]
"""Lines of work of a stage: part, and from which to which of that part, both counted from 1."""


def pieces(folder: Path, stage: str, wanted: Pieces) -> list[dict[str, Any]]:
    rows = [row for row in ledger(folder) if row["event"] == "work" and row["stage"] == stage]
    parts = {part: [row for row in rows if row["part"] == part] for part, _, _ in wanted}
    assert all(len(parts[part]) >= last for part, _, last in wanted)
    return [row for part, first, last in wanted for row in parts[part][first - 1 : last]]


KILLS: list[tuple[str, str, Pieces]] = [
    ("cold_start", "step_43", [("step", 41, 43)]),
    ("cold_start", "save", [("step", 81, 100)]),
    ("cold_start_eval", "greedy", [("sample", 1, 1)]),
    ("rl1", "step_3", [("step", 1, 3)]),
    ("rl1_eval", "step_1", [("sample", 1, 2), ("step", 1, 1)]),
    ("rejection", "call_3", []),
    ("rejection", "step_1", [("step", 1, 1)]),
    ("sft2", "step_41", [("step", 41, 41)]),
    ("sft2_eval", "greedy", [("sample", 1, 1)]),
    ("rl2", "step_2", [("step", 2, 2)]),
    ("rl2_eval", "greedy", [("sample", 1, 1)]),
    ("export", "save", []),
]
"""Stage, moment, and what of the stage's work must be done again: checkpoints are at steps 40 and 80 of a supervised
stage, and where Ctrl-C came in `INTERRUPTED`."""
INTERRUPTED = {("rl2", "step_2"): "step_1"}
"""Before this kill, a Ctrl-C at that moment of the stage."""


@pytest.mark.slow
def test_killed_inside_every_stage_of_one_run(unbroken: Path, tmp_path: Path) -> None:
    """One run, killed twelve times and interrupted once on its way to the end, is the run that was never killed."""
    assert [*dict.fromkeys(stage for stage, _, _ in KILLS)] == STAGES == load_config(R1).pipeline
    again: list[dict[str, Any]] = []
    for stage, moment, repeated in KILLS:
        if (stage, moment) in INTERRUPTED:
            assert struck(tmp_path, stage, INTERRUPTED[stage, moment], "SIGINT").returncode == 130
        died = struck(tmp_path, stage, moment)
        assert died.returncode == -9, f"{stage} {moment}: {died.stdout}{died.stderr}"
        folder = newest(tmp_path)
        assert not (folder / "stages" / stage / "done.json").exists(), "killed inside the stage"
        past = read_past(folder)
        assert past is not None and past.status == "killed"
        assert past.usage.wall_seconds == pytest.approx(paid(ledger(folder), "seconds"))
        again += pieces(unbroken, stage, repeated)
    folder = resume(tmp_path)
    assert_same_results(folder, unbroken)
    assert_accounts(folder)
    lost = summary(folder)["cost"]["final"]["lost"]
    assert lost["steps"] == sum(row["part"] == "step" for row in again) == 30
    for key in TOKENS:
        assert lost[key] == paid(again, key) > 0, key
    assert lost["wall_seconds"] == pytest.approx(paid(redone(folder), "seconds")) and lost["wall_seconds"] > 0


def test_killed_in_an_evaluation_and_in_a_data_set(tmp_path: Path) -> None:
    """Of the evaluation its samples are repeated, and lost; of the data set the call under way alone."""
    assert run_pipeline(load_config([*QUICK, f"run_root={tmp_path / 'whole'}"])) == 0
    whole, root = newest(tmp_path / "whole"), tmp_path / "killed"
    assert struck(root, "cold_start_eval", "greedy", config=QUICK).returncode == -9
    assert struck(root, "rejection", "call_3", config=QUICK).returncode == -9
    killed = newest(root)
    kept = sorted(path.name for path in (killed / "stages/rejection/samples").iterdir())
    assert kept == ["000001.json", "000002.json"]
    spent = [row for row in ledger(killed) if row["event"] == "work" and row["stage"] == "rejection"]
    for key in TOKENS[:2]:
        assert paid(spent, key) == paid(pieces(whole, "rejection", [("sample", 1, 2)]), key) > 0
    folder = resume(root, QUICK)
    assert metrics(folder) == metrics(whole) and table(folder) == table(whole)
    assert summary(folder)["eval"] == summary(whole)["eval"]
    assert_accounts(folder)
    lost = summary(folder)["cost"]["final"]["lost"]
    assert lost["steps"] == 0 < lost["wall_seconds"] == pytest.approx(paid(redone(folder), "seconds"))
    assert lost["tokens_sampled"] == paid(pieces(whole, "cold_start_eval", [("sample", 1, 1)]), "tokens_sampled")


@pytest.mark.slow
def test_a_killed_run_that_is_never_resumed_is_in_the_loaded_cost_of_others(tmp_path: Path) -> None:
    assert struck(tmp_path, "rl1", "step_3").returncode == -9
    killed = newest(tmp_path)
    rows = ledger(killed)
    assert run_pipeline(load_config([*R1, f"run_root={tmp_path}", "pipeline=[cold_start]"])) == 0
    cost = summary(newest(tmp_path))["cost"]
    assert (cost["loaded"]["runs"], cost["loaded"]["killed"], cost["loaded"]["finished"]) == (2, 1, 1)
    assert cost["loaded"]["device_hours_by_status"]["killed"] == pytest.approx(paid(rows, "seconds") / 3600)
    assert cost["loaded"]["tokens_sampled"] == paid(rows, "tokens_sampled") > 0
    assert_costed_from_metrics_alone(killed)


def assert_costed_from_metrics_alone(killed: Path) -> None:
    """Without a ledger: finished stages by the summary, the killed one by its three lines of metrics."""
    (killed / "cost.jsonl").unlink()
    (killed / "summary.json").write_text(json.dumps(summary(killed) | {"cost": {}}))
    past, done = read_past(killed), summary(killed)["stages"]
    lines = [json.loads(line) for line in (killed / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["stage"] == "rl1"]
    assert past is not None and past.status == "killed" and len(steps) == 3
    seconds = sum(line["step_time"] + line.get("time/checkpoint", 0.0) for line in steps)
    assert past.usage.wall_seconds == pytest.approx(sum(stage["wall_seconds"] for stage in done.values()) + seconds)
    sampled = sum(stage["tokens_sampled"] + stage["tokens_prompted"] for stage in done.values())
    assert past.usage.tokens_sampled + past.usage.tokens_prompted == sampled + steps[-1]["num_tokens"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "moment", "ended"),
    [("rejection", "call_2", False), ("rl1_eval", "greedy", True)],
)
def test_ctrl_c_ends_at_the_next_border(stage: str, moment: str, ended: bool, unbroken: Path, tmp_path: Path) -> None:
    """A data set ends after the call under way, an evaluation at its end."""
    stopped = struck(tmp_path, stage, moment, "SIGINT")
    assert stopped.returncode == 130 and HINT in stopped.stderr, stopped.stdout + stopped.stderr
    folder = newest(tmp_path)
    assert summary(folder)["status"] == "interrupted" and (folder / "report.html").exists()
    assert (folder / "stages" / stage / "done.json").exists() == ended
    past = read_past(folder)
    assert past is not None and past.status == "interrupted"
    assert resume(tmp_path) == folder
    assert_same_results(folder, unbroken)
    assert_accounts(folder)
    assert summary(folder)["cost"]["final"]["lost"]["wall_seconds"] == 0
