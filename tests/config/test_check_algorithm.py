"""KL estimates in the wrong place, and settings of an algorithm that do not go together."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from grpo.__main__ import main
from grpo.algorithm.losses import LOSSES, OVER_STEP, LossInputs, LossSettings, StepTokens
from grpo.config.check import check
from grpo.config.check_algorithm import DUAL_CLIPPED, algorithm_problems, warnings
from grpo.config.errors import ConfigError
from grpo.config.load import load_config
from grpo.config.schema import ReinforceConfig
from grpo.config.slices import AlgorithmConfig
from tests.config.helpers import refusal

KL = "algorithm.kl_coef=0.01"
REWARD = "algorithm.kl_in=reward"
K1 = "algorithm.kl_estimator=k1"

REFUSED = {
    (KL, K1): ("algorithm.kl_estimator=k1 with algorithm.kl_in=loss", "k2", "k3_unbiased", "kl_in=reward"),
    (KL, REWARD): ("algorithm.kl_estimator=k3 with algorithm.kl_in=reward", "valid in the reward is k1"),
    (KL, REWARD, "algorithm.kl_estimator=k2"): ("algorithm.kl_estimator=k2", "valid in the reward is k1"),
    (KL, REWARD, "algorithm.kl_estimator=k3_unbiased"): ("kl_estimator=k3_unbiased", "valid in the reward is k1"),
    ("algorithm.reference_reset_steps=5",): ("algorithm.reference_reset_steps=5", "kl_coef=0.0; valid is 0"),
    (KL, "rollout.top_p=0.9"): ("stages.rl.algorithm.kl_coef=0.01 with rollout.top_p=0.9", "kl_coef=0, or top_p=1"),
    (KL, "rollout.top_k=20"): ("top_k=20", "kl_coef=0, or top_p=1"),
    (KL, "rollout.min_p=0.1"): ("min_p=0.1", "kl_coef=0, or top_p=1"),
    ("stages.rl.algorithm.kl_coef=0.01", "stages.rl.algorithm.kl_estimator=k1"): (
        "stages.rl.algorithm.kl_estimator=k1 with stages.rl.algorithm.kl_in=loss",
    ),
}
ALLOWED = [
    (),
    (KL,),
    (KL, "algorithm.kl_estimator=k2"),
    (KL, "algorithm.kl_estimator=k3_unbiased", "algorithm.reference_reset_steps=400"),
    (KL, K1, REWARD),
    (K1,),  # no penalty at all, as one job of a sweep over kl_coef has it
    (REWARD,),
    ("algorithm.reference_reset_steps=5", "stages.rl.algorithm.kl_coef=0.01"),
    ("algorithm.dual_clip=3",),
]


@pytest.mark.parametrize("overrides", REFUSED, ids=" ".join)
def test_refused(overrides: tuple[str, ...]) -> None:
    message = refusal(*overrides)
    assert all(part in message for part in REFUSED[overrides]), message


@pytest.mark.parametrize("overrides", ALLOWED, ids=" ".join)
def test_allowed(overrides: tuple[str, ...]) -> None:
    check(load_config(overrides))


def test_an_inherited_problem_is_told_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check(load_config(["+stage@stages.rl2=reinforce", "pipeline=[cold_start,rl,rl2]", KL, K1]))
    assert str(caught.value).count("k1 with algorithm.kl_in=loss") == 1


PENALISED = AlgorithmConfig(kl_coef=0.01, kl_in="reward", kl_estimator="k1")


@pytest.mark.parametrize(
    ("algorithm", "parts"),
    [
        (
            replace(PENALISED, loss="gspo", advantage="batch_zscore"),
            ("x.loss=gspo with x.advantage=batch_zscore", "valid is gspo_token"),
        ),
        (replace(PENALISED, advantage="maxrl"), ("x.advantage=maxrl with x.kl_in=reward", "kl_in=loss")),
        (AlgorithmConfig(loss="cispo", dual_clip=3.0), ("x.dual_clip=3.0", "x.loss=cispo", "clipped_ratio")),
    ],
)
def test_refused_by_name(algorithm: AlgorithmConfig, parts: tuple[str, ...]) -> None:
    [message] = algorithm_problems("x", algorithm)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    "algorithm",
    [
        replace(PENALISED, loss="gspo_token", advantage="batch_zscore"),
        replace(PENALISED, loss="gspo", advantage="group_mean"),
        AlgorithmConfig(loss="gspo", advantage="batch_zscore", kl_coef=0.01),
        AlgorithmConfig(advantage="maxrl", kl_coef=0.01),
        AlgorithmConfig(loss="clip_cov", dual_clip=3.0),
    ],
)
def test_allowed_by_name(algorithm: AlgorithmConfig) -> None:
    assert list(algorithm_problems("x", algorithm)) == []


TWO_STEPS = "stages.rl.optimizer_steps_per_rollout=2"
WARNED = {
    (): (),
    (KL,): ("kl_estimator=k3 with kl_in=loss: its gradient is the KL's to first order only; k2 and k3_unbiased have",),
    (KL, TWO_STEPS): ("to first order only; k3_unbiased has the exact one",),
    (KL, "algorithm.kl_estimator=k2"): (),
    (KL, "algorithm.kl_estimator=k2", TWO_STEPS): ("optimizer_steps_per_rollout=2: its gradient is the KL's in the",),
    (KL, "algorithm.kl_estimator=k3_unbiased", TWO_STEPS): (),
    (KL, K1, REWARD): ("advantage=group_mean_std: in groups of equal rewards the penalty alone",),
    (KL, K1, REWARD, "algorithm.advantage=group_mean"): (),
    ("algorithm.kl_estimator=k3", "pipeline=[cold_start]", KL): (),
}


@pytest.mark.parametrize("overrides", WARNED, ids=" ".join)
def test_warnings(overrides: tuple[str, ...]) -> None:
    config = load_config(overrides)
    check(config)
    found = warnings(config)
    assert len(found) == len(WARNED[overrides])
    for line, part in zip(found, WARNED[overrides], strict=True):
        assert line.startswith("stages.rl.algorithm.kl_estimator=") and part in line and "\n" not in line


@pytest.mark.parametrize(
    ("loss", "steps", "part"),
    [
        ("reinforce", 1, None),
        ("reinforce", 2, "stages.rl.optimizer_steps_per_rollout=2: it has no ratio"),
        ("kl_cov", 2, None),
        ("kl_cov", 1, "stages.rl.optimizer_steps_per_rollout=1: its penalty is 0"),
    ],
)
def test_warnings_of_losses(loss: str, steps: int, part: str | None) -> None:
    config = load_config()
    stage = config.stages["rl"]
    assert isinstance(stage, ReinforceConfig)
    stage.algorithm.loss, stage.optimizer_steps_per_rollout = loss, steps
    assert len(warnings(config)) == (part is not None)
    assert all(line.startswith(f"stages.rl.algorithm.loss={loss} with {part}") for line in warnings(config))


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_losses_that_dual_clip_changes_are_listed(loss: str) -> None:
    """Ratios of 100 at negative advantages, in one completion of three tokens."""
    old = torch.tensor([-5.0, -6.0, -7.0])
    new, bad = old + math.log(100), torch.tensor([-1.0, -2.0, -1.0])
    places, noise = torch.zeros(3, dtype=torch.int64), torch.full((3,), 0.5, dtype=torch.float64)
    step = StepTokens(logprob=new, old_logprob=old, advantage=bad, completion=places, noise=noise)
    found = []
    for settings in (LossSettings(), LossSettings(dual_clip=3.0)):
        answer = OVER_STEP[loss](step, settings) if loss in OVER_STEP else None
        inputs = LossInputs(logprob=new, old_logprob=old, advantage=bad, over_step=answer)
        found.append(LOSSES[loss](inputs, settings).loss)
    assert loss in DUAL_CLIPPED or torch.equal(*found)


def test_the_dry_run_warns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dry_run=true", "debug=tiny", KL]) == 0
    assert "Warnings\n  stages.rl.algorithm.kl_estimator=k3 with kl_in=loss" in capsys.readouterr().out
    assert main(["dry_run=true", "debug=tiny"]) == 0
    assert "Warnings" not in capsys.readouterr().out
