"""A tiny run through every stage, and what each stage leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from grpo.rollouts.transformers_engine import TransformersEngine
from grpo.stages.sampler import PolicySampler
from grpo.track.names import check_names
from tests.run.running import LEARNING, assert_same_run, metrics, run_here, summary

TOKENS = ("tokens_sampled", "tokens_prompted", "tokens_trained")


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    code, folder = run_here(tmp_path_factory.mktemp("runs"), *LEARNING)
    assert code == 0
    return folder


def test_every_artifact_is_written(tiny_run: Path) -> None:
    names = {path.name for path in tiny_run.iterdir()}
    assert {
        "config.yaml", "metrics.jsonl", "rollouts", "model", "summary.json", "report.html", "run.log", "stages"
    } <= names  # fmt: skip
    assert AutoModelForCausalLM.from_pretrained(tiny_run / "model").config.model_type == "qwen2"
    tokenizer = AutoTokenizer.from_pretrained(tiny_run / "model")
    assert tokenizer.decode(tokenizer("7+5=12")["input_ids"]) == "7+5=12"


def test_a_line_per_step_with_known_names(tiny_run: Path) -> None:
    lines = metrics(tiny_run)
    assert [(line["step"], line["stage"], line["stage_step"]) for line in lines] == [
        (1, "cold_start", 1), (2, "cold_start", 2), (3, "cold_start_eval", 1),
        (4, "rl", 1), (5, "rl", 2), (6, "rl_eval", 1),
    ]  # fmt: skip
    for line in (json.loads(text) for text in (tiny_run / "metrics.jsonl").read_text().splitlines()):
        check_names({k: v for k, v in line.items() if k not in ("step", "stage", "stage_step", "wall_time")})
    assert all(line["sampling/sampling_logp_difference/max"] < 1e-4 for line in lines if line["stage"] == "rl")
    assert all(line["probe/max_logprob_diff"] < 1e-4 for line in lines if line["stage"] == "rl")
    assert lines[3]["grad_norm"] > 0


def test_summary_accounts_for_every_stage(tiny_run: Path) -> None:
    found = summary(tiny_run)
    assert found["status"] == "finished" and found["seed"] == 0 and found["engine"]["name"] == "transformers"
    assert set(found["stages"]) == {"cold_start", "cold_start_eval", "rl", "rl_eval", "export"}
    rl = found["stages"]["rl"]
    groups = [json.loads(line) for file in (tiny_run / "rollouts").iterdir() for line in file.read_text().splitlines()]
    completions = [(len(group["prompt"]), completion) for group in groups for completion in group["completions"]]
    assert rl["tokens_sampled"] == sum(len(completion["token_ids"]) for _, completion in completions)
    assert rl["tokens_prompted"] == sum(prompt for prompt, _ in completions)  # a token is a byte
    last = [line for line in metrics(tiny_run) if line["stage"] == "rl"][-1]
    assert last["num_tokens"] == rl["tokens_sampled"] + rl["tokens_prompted"]
    used = rl["used"]
    assert rl["device_hours"] == pytest.approx(used["wall_seconds"] / 3600) and rl["peak_memory_bytes"] > 1e7
    assert used["wall_seconds"] > rl["wall_seconds"], "loading and saving the model are paid for, too"
    assert [used[key] for key in TOKENS] == [rl[key] for key in TOKENS]
    modes = [(entry["stage"], entry["mode"], entry["n"]) for entry in found["eval"]]
    assert modes == [(s, m, 8) for s in ("cold_start_eval", "rl_eval") for m in ("sampled", "greedy")]
    for entry in found["eval"]:
        assert entry["ci95"][0] <= entry["accuracy"] <= entry["ci95"][1]
        assert entry["pass_at_k"]["1"] == entry["accuracy"]
    assert 0 <= found["sync_logprob_diff_max"] < 1e-4  # None without a probe; 0 where both sides run the same kernels


def test_same_config_same_run(tiny_run: Path, tmp_path: Path) -> None:
    _, again = run_here(tmp_path, *LEARNING)
    assert_same_run(tiny_run, again)


def groups_of(folder: Path, stage: str) -> list[dict[str, Any]]:
    files = sorted((folder / "rollouts").iterdir())
    groups = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [group for group in groups if group["stage"] == stage]


def test_two_reinforce_stages_with_slices_of_their_own(tmp_path: Path) -> None:
    code, folder = run_here(
        tmp_path,
        *LEARNING,
        "+stage@stages.rl2=reinforce",
        "pipeline=[cold_start,rl,rl2,export]",
        "stages.rl2.model_from=rl",
        "stages.rl2.steps=3",
        "stages.rl2.prompts_per_step=2",
        "stages.rl2.rollout.completions_per_prompt=3",
        "stages.rl2.algorithm.advantage=group_mean",
        "stages.rl2.data.arithmetic.operators='*'",
        "stages.rl2.data.arithmetic.largest_operand=9",
        "stages.export.model_from=rl2",
    )
    assert code == 0
    first, second = groups_of(folder, "rl"), groups_of(folder, "rl2")
    assert len(first) == 2 * 4 and len(second) == 3 * 2
    assert {len(group["completions"]) for group in first} == {4}
    assert {len(group["completions"]) for group in second} == {3}
    assert all("*" in group["prompt"] for group in second) and not any("*" in group["prompt"] for group in first)
    for group in second:
        rewards = [c["total"] for c in group["completions"]]
        mean = sum(rewards) / 3
        assert [c["advantage"] for c in group["completions"]] == pytest.approx([r - mean for r in rewards], abs=1e-9)
    versions = [group["completions"][0]["weight_version"] for group in second]
    assert versions == [4, 4, 5, 5, 6, 6]  # the run's steps behind the weights: 2 SFT and 2 rl before


def test_a_stage_runs_alone_from_an_earlier_runs_model(tiny_run: Path, tmp_path: Path) -> None:
    """Started from the same model, the stage does what it did within the whole pipeline, bit for bit."""
    model = tiny_run / "stages" / "cold_start" / "model"
    code, folder = run_here(tmp_path, *LEARNING, "pipeline=[rl]", f"stages.rl.model_from={model}")
    assert code == 0
    ignored = ("step",)
    whole = [{k: v for k, v in m.items() if k not in ignored} for m in metrics(tiny_run) if m["stage"] == "rl"]
    alone = [{k: v for k, v in m.items() if k not in ignored} for m in metrics(folder)]
    assert alone == whole


@pytest.mark.parametrize("probed", [True, False])
def test_skipping_one_sync_stops_the_run(probed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the probe switched off too, the comparison before the next update catches it."""
    update, calls = TransformersEngine.update_weights, []

    def skip_second(self: TransformersEngine, tensors: Any, version: int) -> None:
        calls.append(version)
        if len(calls) != 2:
            update(self, tensors, version)

    monkeypatch.setattr(TransformersEngine, "update_weights", skip_second)
    if not probed:
        monkeypatch.setattr(PolicySampler, "_prove", lambda self, version: 0.0)
    code, folder = run_here(tmp_path, *LEARNING, "pipeline=[rl]", "stages.rl.model_from=base", "stages.rl.steps=3")
    assert code == 1
    found = summary(folder)
    assert found["status"] == "failed"
    assert "LogprobMismatchError" in found["error"]
    assert ("probe after weight update" if probed else "rollouts of this step") in found["error"]
    assert len(metrics(folder)) == (0 if probed else 1)
