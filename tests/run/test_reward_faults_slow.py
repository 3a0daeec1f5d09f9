"""Twenty of each fault of a user's reward in one run: all counted; the run goes on, or stops with its typed error."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.run.faulty_reward import FAULTS
from tests.run.running import metrics, run_here, summary

pytestmark = pytest.mark.slow

REWARD = f"{Path(__file__).parent}/faulty_reward.py:faulty"
ROUNDS = 20
FAULTY_RUN = [
    "pipeline=[rl,export]",
    "stages.rl.model_from=base",
    f"stages.rl.steps={ROUNDS * len(FAULTS)}",
    f"reward.functions=[{REWARD}]",
    "reward.weights=[1.0]",
    "reward.deadline_seconds=0.5",
    "optimizer.lr=3e-3",
    "rollout.max_tokens=8",
    "checkpoint.every=1000",
]


def test_twenty_of_each_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victims = tmp_path / "victims"
    victims.mkdir()
    monkeypatch.setenv("FAULTS_FOLDER", str(victims))
    code, folder = run_here(tmp_path / "runs", *FAULTY_RUN, "reward.max_error_share=1.0")
    assert code == 0 and summary(folder)["status"] == "finished"
    lines = metrics(folder)
    injected = Counter(path.name.partition("_")[2] for path in victims.iterdir())
    assert injected == dict.fromkeys(FAULTS, ROUNDS)
    for line in (line for line in lines if line["stage"] == "rl"):
        fault = FAULTS[line["step"] % len(FAULTS)]
        victim = (victims / f"{line['step']:06d}_{fault}").read_bytes().decode("utf-8", "surrogatepass")
        groups = [json.loads(row) for row in rollout_file(folder, line["step"]).read_text().splitlines()]
        completions = [completion for group in groups for completion in group["completions"]]
        hit = [completion for completion in completions if completion["text"] == victim]
        assert hit, "the victim is one of the step's completions"
        if fault in ("none", "leak"):
            assert line["reward_errors"] == 0 and all(c["error"] is None for c in completions)
        else:
            assert line["reward_errors"] == len(hit) == sum(c["error"] is not None for c in completions)
            assert all(c["total"] is None and c["advantage"] is None for c in hit)


def test_too_many_faults_stop_the_run_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULTS_FOLDER", str(tmp_path))
    code, folder = run_here(tmp_path / "runs", *FAULTY_RUN, "reward.max_error_share=0.01")
    assert code == 1 and summary(folder)["status"] == "failed"
    log = (folder / "run.log").read_text()
    assert "RewardErrorShareError" in log and "more than reward.max_error_share=0.01" in log
    assert sum(line["stage"] == "rl" for line in metrics(folder)) < len(FAULTS)


def rollout_file(folder: Path, step: int) -> Path:
    """The groups of a step."""
    return folder / "rollouts" / f"step_{step:06d}.jsonl"
