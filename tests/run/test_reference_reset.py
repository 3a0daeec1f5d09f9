"""Runs whose reference is reset: what the KL is measured against, and a resume after a reset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from grpo.update.experience import Tree
from grpo.update.reference import HostSwapped
from tests.run.running import LEARNING, assert_same_run, metrics, newest, run_here
from tests.run.test_resume import Died, die_after

STEPS = [
    *LEARNING,
    "stages.cold_start.steps=2",
    "stages.rl.steps=5",
    "checkpoint.every=3",
    "algorithm.kl_coef=0.1",
    "algorithm.reference_reset_steps=2",
]
"""8 steps of the run; `rl` is 4 to 8. Resets after its steps 2 and 4, its checkpoint after 3: between the two."""
KINDS = {
    "loss": ["algorithm.kl_estimator=k3_unbiased", "stages.rl.optimizer_steps_per_rollout=2"],
    "reward": ["algorithm.kl_estimator=k1", "algorithm.kl_in=reward", "algorithm.advantage=group_mean"],
    "lora": ["algorithm.kl_estimator=k2", "model.lora.rank=4"],
}
Unbroken = tuple[str, Path, list[int]]


@pytest.fixture(scope="module", params=sorted(KINDS))
def unbroken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    """(kind, run folder, completions of each reference pass)."""
    if request.param == "lora":
        pytest.importorskip("peft", reason="peft is not installed: pip install -e .[lora]")
    passes: list[int] = []
    logprobs = HostSwapped.logprobs

    def counting(self: HostSwapped, trees: Sequence[Tree], *rest: Any) -> Any:
        passes.append(sum(len(tree.branches) for tree in trees))
        return logprobs(self, trees, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HostSwapped, "logprobs", counting)
        code, folder = run_here(tmp_path_factory.mktemp(request.param), *STEPS, *KINDS[request.param])
    assert code == 0
    return request.param, folder, passes


def test_the_reference_is_asked_once_a_step(unbroken: Unbroken) -> None:
    assert unbroken[2] == [16] * 5


def test_the_kl_falls_to_zero_after_a_reset(unbroken: Unbroken) -> None:
    kind, folder, _ = unbroken
    values = [line["kl"] for line in metrics(folder) if line["stage"] == "rl"]
    assert len(values) == 5
    if kind != "loss":  # with two optimizer steps the second has moved already
        assert [abs(value) < 1e-6 for value in values] == [True, False, True, False, True]
    else:
        assert values[1] > values[0] and values[1] > values[2] and values[3] > values[2] and values[3] > values[4]


def test_the_checkpoint_holds_what_the_reference_was_set_to(unbroken: Unbroken) -> None:
    kind, folder, _ = unbroken
    checkpoint = folder / "checkpoints" / "step_000006"
    trained = checkpoint / ("adapters.safetensors" if kind == "lora" else "model.safetensors")
    with safe_open(checkpoint / "reference.safetensors", "pt") as held, safe_open(trained, "pt") as policy:
        names = set(held.keys())
        assert all((".lora_" in name) == (kind == "lora") for name in names) and len(names) == len(policy.keys())
        same = [name for name in names & set(policy.keys()) if held.get_tensor(name).equal(policy.get_tensor(name))]
    assert same == []


def test_a_run_that_died_after_a_reset_goes_on(
    unbroken: Unbroken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, folder, _ = unbroken
    with monkeypatch.context() as patch:
        die_after(7, patch)
        with pytest.raises(Died):
            run_here(tmp_path, *STEPS, *KINDS[kind])
    died = newest(tmp_path)
    assert [path.name for path in (died / "checkpoints").iterdir()] == ["step_000006"]
    code, resumed = run_here(tmp_path, *STEPS, *KINDS[kind], "resume=auto")
    assert code == 0 and resumed == died
    assert_same_run(resumed, folder)


def test_the_run_warns_of_a_biased_placement(tmp_path: Path) -> None:
    run_here(tmp_path, *LEARNING, "pipeline=[rl]", "stages.rl.model_from=base", "stages.rl.steps=1",
             "algorithm.kl_coef=0.1")  # fmt: skip
    log = (newest(tmp_path) / "run.log").read_text()
    assert "warning: stages.rl.algorithm.kl_estimator=k3 with kl_in=loss: its gradient is" in log
