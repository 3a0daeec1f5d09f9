"""Every alarm rings in a run that really goes wrong, and says so in all four places; a healthy run rings none."""

from __future__ import annotations

import contextlib
import html
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from grpo.rollouts.transformers_engine import TransformersEngine
from grpo.track.alarms import ALARMS
from tests.run.running import metrics, run_here, summary

pytestmark = pytest.mark.slow

REWARDS = f"{Path(__file__).parent}/hackable_reward.py"
TASK = [
    "logger.console=true",
    "model.scratch.hidden_size=64",
    "model.scratch.intermediate_size=128",
    "data.arithmetic.operands=3",
    "data.arithmetic.largest_operand=5",
    "data.arithmetic.problems=500",
    "data.arithmetic.held_out=200",
    "data.eval_rows=200",
    "rollout.completions_per_prompt=8",
    "rollout.max_tokens=32",
    "stages.rl.prompts_per_step=8",
    "checkpoint.every=1000",
]
"""A task that a model of 60,000 parameters begins to learn within 300 supervised steps: one answer in five is right."""


def rewarded(function: str, *weights: float) -> list[str]:
    """`exact_integer`, and a user's reward beside it, in the reinforce stage alone."""
    return [
        f"stages.rl.reward.functions=[exact_integer,'{REWARDS}:{function}']",
        f"stages.rl.reward.weights=[{','.join(map(str, weights))}]",
        "reward.in_process=true",
    ]


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What goes wrong in a run, and the alarms that must ring. Others may ring too: one fault leads to the next."""

    alarms: tuple[str, ...]
    overrides: tuple[str, ...]
    pipeline: str = "[rl]"
    cold_start: bool = True
    """Starts from the supervised model, not from a random one."""
    broken_sync: bool = False


CAUSES = {
    "completions do not fit": Cause(alarms=("truncation",), overrides=("stages.rl.steps=8", "rollout.max_tokens=8")),
    "the task is out of a random model's reach": Cause(
        alarms=("all_zero", "no_signal"),
        overrides=(
            "stages.rl.steps=12",
            "reward.functions=[exact_integer]",
            "reward.weights=[1.0]",
        ),
        cold_start=False,
    ),
    "a reward pays for shouting": Cause(
        alarms=("reward_hacking", "held_out_drop"),
        overrides=("stages.rl.steps=60", "optimizer.lr=5e-4", *rewarded("sevens", 0.1, 1.0)),
        pipeline="[cold_start_eval,rl,rl_eval]",
    ),
    "a careless verifier is pleased by guesses": Cause(
        alarms=("strict_lenient_gap",),
        overrides=(
            "stages.rl.steps=60",
            "optimizer.lr=1e-2",
            "rollout.completions_per_prompt=16",
            "rollout.max_tokens=8",
            "data.arithmetic.operands=2",
            "data.arithmetic.largest_operand=2",
            "data.arithmetic.operators='+'",
            "data.arithmetic.problems=6",
            "data.arithmetic.held_out=2",
            *rewarded("last_number", 0.0, 1.0),
        ),
        cold_start=False,
    ),
    "brevity is all that is paid, at a high learning rate": Cause(
        alarms=("length_collapse", "entropy_collapse"),
        overrides=(
            "stages.rl.steps=50",
            "optimizer.lr=1e-2",
            "rollout.max_tokens=24",
            *rewarded("brevity", 1.0, 1.0),
        ),
        cold_start=False,
    ),
    "the entropy bonus outweighs the reward": Cause(
        alarms=("entropy_explosion",),
        overrides=("stages.rl.steps=30", "optimizer.lr=1e-3", "algorithm.entropy_coef=1.0"),
    ),
    "a rare bonus on a scale of its own": Cause(
        alarms=("grad_norm_spike",),
        overrides=(
            "stages.rl.steps=60",
            "optimizer.lr=1e-5",
            "algorithm.advantage=group_mean",
            *rewarded("jackpot", 1.0, 1.0),
        ),
    ),
    "weights reach the sampler only once": Cause(
        alarms=("mismatch",),
        overrides=("stages.rl.steps=20", "optimizer.lr=1e-3", "rollout.max_logprob_diff=1e9"),
        broken_sync=True,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Ran:
    folder: Path
    console: str


Runner = Callable[[str, Sequence[str]], Ran]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Runs once per name."""
    kept: dict[str, Ran] = {}

    def runner(name: str, overrides: Sequence[str]) -> Ran:
        if name not in kept:
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                code, folder = run_here(tmp_path_factory.mktemp("run"), *TASK, *overrides)
            assert code == 0
            kept[name] = Ran(folder=folder, console=said.getvalue())
        return kept[name]

    return runner


@pytest.fixture(scope="module")
def cold_model(run: Runner) -> Path:
    steps = ["steps=300", "demonstrations_per_step=32", "optimizer.lr=5e-3"]
    ran = run("cold start", ["pipeline=[cold_start]", *(f"stages.cold_start.{step}" for step in steps)])
    return ran.folder / "stages" / "cold_start" / "model"


@contextlib.contextmanager
def sync_once() -> Iterator[None]:
    """The engine takes the first weights and says yes to all others, as one with a stale copy of the head would."""
    update = TransformersEngine.update_weights
    versions: list[int] = []

    def first_only(self: TransformersEngine, tensors: Any, version: int, **options: Any) -> None:
        versions.append(version)
        if len(versions) == 1:
            update(self, tensors, version, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransformersEngine, "update_weights", first_only)
        yield


def started_from(model: Path | str, pipeline: str) -> list[str]:
    stages = ["rl", *(["cold_start_eval"] if "eval" in pipeline else [])]
    return [f"pipeline={pipeline}", *(f"stages.{stage}.model_from={model}" for stage in stages)]


def test_every_alarm_has_a_run() -> None:
    assert {name for cause in CAUSES.values() for name in cause.alarms} == set(ALARMS)


@pytest.mark.parametrize(("name", "why"), [(name, why) for why, cause in CAUSES.items() for name in cause.alarms])
def test_it_rings_in_a_run_that_goes_wrong(name: str, why: str, run: Runner, cold_model: Path) -> None:
    cause = CAUSES[why]
    start = started_from(cold_model if cause.cold_start else "base", cause.pipeline)
    with sync_once() if cause.broken_sync else contextlib.nullcontext():
        ran = run(why, [*start, *cause.overrides])
    entry = next((one for one in summary(ran.folder)["alarms"] if one["name"] == name), None)
    assert entry is not None, summary(ran.folder)["alarms"]
    line = f"ALARM {name} at step {entry['step']} ({entry['stage']}): {entry['text']}"
    assert line in ran.console and line in (ran.folder / "run.log").read_text()
    assert next(row["step"] for row in metrics(ran.folder) if row.get(f"alarm/{name}")) == entry["step"]
    page = html.unescape((ran.folder / "report.html").read_text())
    assert f"<title>{name} at step {entry['step']}</title>" in page, "the mark on the curves"
    assert re.search(rf'<th scope="row">{name}</th>.*?<td>{re.escape(entry["text"])}</td>', page), "the list"


def test_a_healthy_run_rings_none(run: Runner, cold_model: Path) -> None:
    start = started_from(cold_model, "[cold_start_eval,rl,rl_eval]")
    ran = run("healthy", [*start, "stages.rl.steps=60", "stages.rl.prompts_per_step=16", "optimizer.lr=5e-4"])
    found = summary(ran.folder)
    right = [row["rewards/exact_integer/mean"] for row in metrics(ran.folder) if "reward" in row]
    assert sum(right[-20:]) > 1.2 * sum(right[:20]), "it did learn"
    assert found["alarms"] == [] and "ALARM" not in ran.console
    assert not any(key.startswith("alarm/") for row in metrics(ran.folder) for key in row)
    assert "No alarm rang." in (ran.folder / "report.html").read_text()
