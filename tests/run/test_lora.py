"""Runs with adapters: what checkpoints hold and the sampler gets, resuming, outputs; and the KL term's reference."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from grpo.rollouts.transformers_engine import TransformersEngine
from tests.run.running import LEARNING, assert_same_run, metrics, newest, run_here, summary
from tests.run.test_resume import Died, die_after

peft = pytest.importorskip("peft", reason="peft is not installed: pip install -e .[lora]")
STEPS = [*LEARNING, "stages.cold_start.steps=3", "stages.rl.steps=4", "checkpoint.every=2"]
KINDS = {
    "lora": ["model.lora.rank=4", "algorithm.kl_coef=0.1", "stages.rl.optimizer_steps_per_rollout=2"],
    "full": ["algorithm.kl_coef=0.1", "stages.rl.optimizer_steps_per_rollout=2"],
}
Sync = tuple[bool, list[str]]


@pytest.fixture(scope="module", params=sorted(KINDS))
def unbroken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, list[Sync]]:
    """(kind, run folder, what each weight update was: partial or not, and its names)."""
    syncs: list[Sync] = []
    update = TransformersEngine.update_weights

    def spying(self: TransformersEngine, named: Iterable[Any], version: int, *, partial: bool = False) -> None:
        pairs = list(named)
        syncs.append((partial, [name for name, _ in pairs]))
        update(self, pairs, version, partial=partial)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransformersEngine, "update_weights", spying)
        code, folder = run_here(tmp_path_factory.mktemp(request.param), *STEPS, *KINDS[request.param])
    assert code == 0
    return request.param, folder, syncs


@pytest.mark.parametrize("step", [3, 7])
def test_a_run_that_died_goes_on(
    step: int, unbroken: tuple[str, Path, list[Sync]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of either stage; the reference is that of the stage's start, not of the checkpoint."""
    kind, folder, _ = unbroken
    with monkeypatch.context() as patch:
        die_after(step, patch)
        with pytest.raises(Died):
            run_here(tmp_path, *STEPS, *KINDS[kind])
    died = newest(tmp_path)
    assert list((died / "checkpoints").iterdir())
    code, resumed = run_here(tmp_path, *STEPS, *KINDS[kind], "resume=auto")
    assert code == 0 and resumed == died
    assert_same_run(resumed, folder)


def test_the_kl_term_is_measured_against_the_stage_s_start(unbroken: tuple[str, Path, list[Sync]]) -> None:
    values = [line["kl"] for line in metrics(unbroken[1]) if line["stage"] == "rl"]
    assert len(values) == 4 and 0 < values[0] < values[1] < values[-1]  # the first step's second part has moved


def test_the_sampler_gets_what_changed(unbroken: tuple[str, Path, list[Sync]]) -> None:
    """Two evaluations and the start of `rl` send everything; each of its steps sends the decoder's linear layers."""
    kind, folder, syncs = unbroken
    steps = syncs[2:6]
    assert [partial for partial, _ in syncs] == [False, False, *[kind == "lora"] * 4, False]
    everything = set(syncs[0][1])
    assert set(syncs[1][1]) == everything
    linear = {name for name in everything if "_proj." in name}
    assert len(linear) == 10 and all(set(names) == (linear if kind == "lora" else everything) for _, names in steps)
    assert summary(folder)["sync_logprob_diff_max"] < 1e-5


def test_checkpoints_hold_adapters_only(unbroken: tuple[str, Path, list[Sync]]) -> None:
    kind, folder, _ = unbroken
    checkpoint = folder / "checkpoints" / "step_000006"
    assert (checkpoint / "adapters.safetensors").exists() == (kind == "lora")
    assert (checkpoint / "model.safetensors").exists() == (kind == "full")
    assert not (checkpoint / "reference.json").exists()  # without resets it is the stage's start, loaded again
    with safe_open(checkpoint / "optimizer.safetensors", framework="pt") as file:
        trained = {name.rpartition(":")[0] for name in file.keys()}  # noqa: SIM118  the handle is no mapping
    assert len(trained) == (14 if kind == "lora" else 15)
    assert all((".lora_A." in name or ".lora_B." in name) == (kind == "lora") for name in trained)


def test_outputs_are_a_whole_model_and_an_adapter_on_the_one_before(unbroken: tuple[str, Path, list[Sync]]) -> None:
    kind, folder, _ = unbroken
    stage = folder / "stages" / "rl"
    assert (stage / "adapter").exists() == (kind == "lora")
    merged = AutoModelForCausalLM.from_pretrained(stage / "model").eval()
    if kind == "full":
        return
    described = json.loads((stage / "adapter" / "adapter_config.json").read_text())
    assert described["base_model_name_or_path"] == str(folder / "stages" / "cold_start" / "model")
    assert described["r"] == 4 and described["target_modules"] == sorted(described["target_modules"])
    base = AutoModelForCausalLM.from_pretrained(described["base_model_name_or_path"]).eval()
    ids = torch.arange(2, 40).unsqueeze(0)
    with torch.no_grad():
        wanted = merged(ids).logits
        assert (base(ids).logits - wanted).abs().max() > 1e-3
        adapted = peft.PeftModel.from_pretrained(base, stage / "adapter").eval()
        assert (adapted(ids).logits - wanted).abs().max() < 1e-6


@pytest.mark.slow
@pytest.mark.vllm
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("targets", ["[]", "[q_proj,up_proj]"])
def test_vllm_follows_partial_updates(tied: bool, targets: str, tmp_path: Path) -> None:
    """The probe after every update is in the metrics: above 1e-4 it would have stopped the run."""
    code, folder = run_here(
        tmp_path,
        *STEPS,
        "rollout=vllm",
        "model.scratch.hidden_size=64",
        "model.scratch.layers=2",
        f"model.scratch.tie_embeddings={tied}",
        "model.lora.rank=4",
        f"model.lora.targets={targets}",
    )
    assert code == 0
    probes = [line["probe/max_logprob_diff"] for line in metrics(folder) if line["stage"] == "rl"]
    assert len(probes) == 4 and max(probes) < 1e-5
