"""TRL's own `_compute_loss` on the same tensors: its value and its gradient are ours.

Only the trainer around it is a stand-in, with the attributes that method reads; the model is a stand-in too, its
log-probs are the leaf the gradient is taken of. One micro-batch is the whole step, where TRL's normalisers, which are
local to it for grpo, bnpo, dr_grpo, sapo and luspo, span what ours span.
"""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from grpo.algorithm.kl import ESTIMATORS
from grpo.algorithm.losses import LOSSES, OVER_STEP, LossInputs, LossSettings, LossTerms, StepTokens
from grpo.algorithm.reductions import REDUCTIONS, StepTotals, TokenCounts

pytest.importorskip("trl", reason="TRL, whose loss is compared with, is not installed")
pytestmark = pytest.mark.slow  # importing TRL's trainer is what takes the time

LENGTHS = torch.tensor([3, 7, 1, 5, 6, 2])  # two prompts, three completions each
LONGEST, MAX_TOKENS = 7, 9
MASK = torch.arange(LONGEST) < LENGTHS[:, None]
ADVANTAGE = torch.tensor([1.2, -0.7, -0.5, 0.9, 0.0, -0.9])

STAND_IN = {
    "loss_type": "grpo",
    "importance_sampling_level": "token",
    "beta": 0.0,
    "epsilon_low": 0.2,
    "epsilon_high": 0.28,
    "max_completion_length": MAX_TOKENS,
    "aux_loss_enabled": False,
    "top_entropy_quantile": 1.0,
    "off_policy_mask_threshold": None,
    "use_vllm": False,
    "current_gradient_accumulation_steps": 1,
    "_entropy_bonus_enabled": False,
}
ARGUMENTS = {
    "delta": None,
    "use_bias_correction_kl": False,
    "sapo_temperature_pos": 1.0,
    "sapo_temperature_neg": 1.05,
    "steps_per_generation": 1,
}


def logprobs(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(6, 7) float32 of policy, old policy and reference."""
    generator = torch.Generator().manual_seed(seed)
    policy = -torch.rand(MASK.shape, generator=generator) * 3
    old, reference = (policy + torch.randn(MASK.shape, generator=generator) * 0.4 for _ in range(2))
    return policy, old, reference


def theirs(
    seed: int, trainer: dict[str, Any], arguments: dict[str, Any]
) -> tuple[float, torch.Tensor, dict[str, list[float]]]:
    """TRL's loss, its gradient where there are tokens (24,), and the metrics it logged."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    policy, old, reference = logprobs(seed)
    leaf = policy.clone().requires_grad_()
    metrics: dict[str, list[float]] = defaultdict(list)
    stub = SimpleNamespace(
        **(STAND_IN | trainer),
        args=SimpleNamespace(**(ARGUMENTS | arguments)),
        model=SimpleNamespace(training=True),
        accelerator=SimpleNamespace(num_processes=1, gather=lambda value: value, reduce=lambda value, reduction: value),
        _metrics={"train": metrics},
        _get_per_token_logps_and_entropies=lambda *args, **kwargs: (leaf, torch.zeros_like(leaf), None),
    )
    ids = torch.zeros(MASK.shape, dtype=torch.int64)
    inputs = {
        "prompt_ids": ids[:, :2],
        "prompt_mask": torch.ones(6, 2, dtype=torch.int64),
        "completion_ids": ids,
        "completion_mask": MASK.long(),
        "advantages": ADVANTAGE,
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
        "num_items_in_batch": MASK.sum(),
    }
    loss = GRPOTrainer._compute_loss(stub, None, inputs)
    [gradient] = torch.autograd.grad(loss, leaf)
    assert bool((gradient[~MASK] == 0).all())
    return loss.item(), gradient[MASK], metrics


def ours(
    seed: int, loss: str, reduction: str, settings: LossSettings, kl: str | None = None, kl_coef: float = 0.0
) -> tuple[float, torch.Tensor, LossTerms]:
    """Our loss, its gradient (24,), and the terms."""
    policy, old, reference = (values[MASK] for values in logprobs(seed))
    completion = torch.arange(6).repeat_interleave(LENGTHS)
    tokens = StepTokens(
        logprob=policy,
        old_logprob=old,
        advantage=ADVANTAGE[completion],
        completion=completion,
        noise=torch.zeros(len(policy), dtype=torch.float64),
    )
    leaf = policy.clone().requires_grad_()
    terms = LOSSES[loss](
        LossInputs(
            logprob=leaf,
            old_logprob=old,
            advantage=tokens.advantage,
            over_step=OVER_STEP[loss](tokens, settings) if loss in OVER_STEP else None,
        ),
        settings,
    )
    per_token = terms.loss if kl is None else terms.loss + kl_coef * ESTIMATORS[kl](leaf, reference, old)
    counts = TokenCounts(
        completion=LENGTHS[completion], prompt=LENGTHS.view(2, 3).sum(1).repeat_interleave(3)[completion]
    )
    totals = StepTotals(prompts=2, completions=6, tokens=len(policy), max_tokens=MAX_TOKENS)
    total = (per_token * REDUCTIONS[reduction](counts, totals)).sum()
    [gradient] = torch.autograd.grad(total, leaf)
    return total.item(), gradient, terms


CLIP = LossSettings(clip_low=0.2, clip_high=0.28)
SEQUENCE = {"importance_sampling_level": "sequence"}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("trainer", "arguments", "mine"),
    [
        pytest.param({}, {}, ("clipped_ratio", "sequence_mean", CLIP), id="grpo"),
        pytest.param({"loss_type": "bnpo"}, {}, ("clipped_ratio", "bnpo", CLIP), id="bnpo"),
        # TRL divides by max_completion_length, we by the token limit of the rollout: the same number
        pytest.param({"loss_type": "dr_grpo"}, {}, ("clipped_ratio", "constant_length", CLIP), id="dr_grpo"),
        pytest.param({"loss_type": "dapo"}, {}, ("clipped_ratio", "token_mean", CLIP), id="dapo"),
        # epsilon_high is the cap itself, ours is 1 + clip_high; epsilon (low) is not read
        pytest.param(
            {"loss_type": "cispo", "epsilon_high": 1.5},
            {},
            ("cispo", "token_mean", LossSettings(clip_low=1.0, clip_high=0.5)),
            id="cispo",
        ),
        pytest.param({"loss_type": "sapo"}, {}, ("sapo", "sequence_mean", CLIP), id="sapo"),
        pytest.param(
            {"epsilon_low": 0.05, "epsilon_high": 0.1} | SEQUENCE,
            {},
            ("gspo", "sequence_mean", LossSettings(clip_low=0.05, clip_high=0.1)),
            id="gspo",
        ),
        # LUSPO is GSPO with the length as weight: our reduction sequence_sum
        pytest.param(
            {"loss_type": "luspo", "epsilon_low": 0.05, "epsilon_high": 0.1} | SEQUENCE,
            {},
            ("gspo", "sequence_sum", LossSettings(clip_low=0.05, clip_high=0.1)),
            id="luspo",
        ),
        pytest.param(
            {},
            {"delta": 1.4},
            ("clipped_ratio", "sequence_mean", LossSettings(clip_low=0.2, clip_high=0.28, dual_clip=1.4)),
            id="two_sided",
        ),
        pytest.param({"beta": 0.3}, {}, ("clipped_ratio", "sequence_mean", CLIP, "k3", 0.3), id="k3"),
        # With importance_sampling_level="sequence" TRL would weigh k3 by the sequence's ratio; ours is the token's
        pytest.param(
            {"beta": 0.3, "loss_type": "dapo"},
            {"use_bias_correction_kl": True},
            ("clipped_ratio", "token_mean", CLIP, "k3_unbiased", 0.3),
            id="k3_unbiased",
        ),
    ],
)
def test_value_and_gradient(seed: int, trainer: dict[str, Any], arguments: dict[str, Any], mine: Any) -> None:
    value, gradient, _ = theirs(seed, trainer, arguments)
    found, slope, _ = ours(seed, *mine)
    assert value != 0.0 and found == pytest.approx(value, rel=1e-5)
    torch.testing.assert_close(slope, gradient, rtol=1e-5, atol=1e-7)


SEEDS = range(5)


def test_clip_fractions_are_counted_alike() -> None:
    seen = {"low": 0.0, "high": 0.0}
    for seed in SEEDS:
        _, _, metrics = theirs(seed, {}, {})
        _, _, terms = ours(seed, "clipped_ratio", "sequence_mean", CLIP)
        for side, flags in (("low", terms.clipped_low), ("high", terms.clipped_high)):
            assert flags.float().mean().item() == pytest.approx(metrics[f"clip_ratio/{side}_mean"][0], rel=1e-6)
            seen[side] += flags.sum().item()
    assert min(seen.values()) > 0


def test_cispo_counts_capped_weights_of_either_sign_where_trl_counts_positive_advantages() -> None:
    advantage, capped = ADVANTAGE.repeat_interleave(LENGTHS), {True: 0, False: 0}
    for seed in SEEDS:
        _, _, metrics = theirs(seed, {"loss_type": "cispo", "epsilon_high": 1.5}, {})
        _, _, terms = ours(seed, "cispo", "token_mean", LossSettings(clip_low=1.0, clip_high=0.5))
        for sign in capped:
            capped[sign] += int((terms.clipped_high & ((advantage > 0) == sign)).sum())
        positive = (terms.clipped_high & (advantage > 0)).float().mean().item()
        assert positive == pytest.approx(metrics["cispo_clip_ratio"][0], rel=1e-6)
    assert min(capped.values()) > 0
