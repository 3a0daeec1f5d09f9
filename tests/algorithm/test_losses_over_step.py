"""Losses that see the whole step: hand-computed values, gradients and selections, and no trace of order or split."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from grpo.algorithm.losses import LOSSES, OVER_STEP, LossInputs, LossSettings, LossTerms, StepTokens
from tests.algorithm.flat import advantage_of, flat, settings_of, tokens_of
from tests.algorithm.oracle import Recipe, random_step

SETTINGS = LossSettings(clip_low=0.2, clip_high=0.28)


def learned(name: str, tokens: StepTokens, settings: LossSettings) -> tuple[LossTerms, list[float]]:
    """The terms of all tokens of a step, and the gradients of the token losses' sum."""
    logprob = tokens.logprob.clone().requires_grad_()
    inputs = LossInputs(
        logprob=logprob,
        old_logprob=tokens.old_logprob,
        advantage=tokens.advantage,
        over_step=OVER_STEP[name](tokens, settings),
    )
    terms = LOSSES[name](inputs, settings)
    [gradient] = torch.autograd.grad(terms.loss.sum(), logprob)
    return terms, gradient.tolist()


def two_token_completion(advantage: tuple[float, float]) -> StepTokens:
    """Log ratios 0.3 and -0.1, so s = exp(0.1) = 1.105171; beside it a completion of one token with log ratio -1."""
    return StepTokens(
        logprob=torch.tensor([-0.7, -2.0, -1.1]),
        old_logprob=torch.tensor([-1.0, -1.0, -1.0]),
        advantage=torch.tensor([advantage[0], -1.0, advantage[1]]),
        completion=torch.tensor([1, 0, 1]),
        noise=torch.zeros(3, dtype=torch.float64),
    )


@pytest.mark.parametrize("name", ["gspo", "gspo_token"])
def test_gspo_golden(name: str) -> None:
    terms, gradient = learned(name, two_token_completion((2.0, 2.0)), replace(SETTINGS, clip_low=0.7))
    assert terms.loss.tolist() == pytest.approx([-2.210342, 0.367879, -2.210342], abs=1e-5)
    assert gradient == pytest.approx(
        [-2.210342, 0.367879, -2.210342], abs=1e-5
    )  # a token ratio of 1.35 would be clipped


@pytest.mark.parametrize("name", ["gspo", "gspo_token"])
def test_gspo_clips_whole_completions(name: str) -> None:
    terms, gradient = learned(name, two_token_completion((2.0, 2.0)), LossSettings(clip_low=3e-4, clip_high=4e-4))
    assert terms.loss.tolist() == pytest.approx([-2.0008, 0.9997, -2.0008], abs=1e-6)
    assert gradient == [0.0, 0.0, 0.0]
    assert terms.clipped_high.tolist() == [True, False, True] and terms.clipped_low.tolist() == [False, True, False]


def test_gspo_takes_the_mean_of_token_advantages_and_its_token_form_each() -> None:
    tokens = two_token_completion((3.0, 1.0))
    assert learned("gspo", tokens, SETTINGS)[0].loss[::2].tolist() == pytest.approx([-2.210342] * 2, abs=1e-5)
    assert learned("gspo_token", tokens, SETTINGS)[0].loss[::2].tolist() == pytest.approx(
        [-3.315513, -1.105171], abs=1e-5
    )


COVARIANCE = StepTokens(  # mean advantage 0, mean log-prob -3: covariances 4, -1, 0, 2
    logprob=torch.tensor([-1.0, -4.0, -3.0, -4.0]),
    old_logprob=torch.tensor([-1.5, -4.0, -3.0, -3.75]),
    advantage=torch.tensor([2.0, 1.0, -1.0, -2.0]),
    completion=torch.tensor([0, 0, 1, 1]),
    noise=torch.tensor([0.9, 0.1, 0.2, 0.3], dtype=torch.float64),
)
WIDE = LossSettings(clip_low=0.5, clip_high=1.0, covariance_share=0.25, covariance_coef=0.7)


def test_kl_cov_golden() -> None:
    """Ratios exp(0.5), 1, 1, exp(-0.25); a quarter of the tokens is the first, half are the first and the last."""
    terms, gradient = learned("kl_cov", COVARIANCE, WIDE)
    assert terms.loss.tolist() == pytest.approx([-3.297443 + 0.35, -1.0, 1.0, 1.557602], abs=1e-5)
    assert gradient == pytest.approx([-3.297443 + 0.7, -1.0, 1.0, 1.557602], abs=1e-5)
    terms, gradient = learned("kl_cov", COVARIANCE, replace(WIDE, covariance_share=0.5))
    assert terms.loss[3].item() == pytest.approx(1.557602 + 0.7 * 0.25, abs=1e-5)
    assert gradient[3] == pytest.approx(1.557602 - 0.7, abs=1e-5)


def test_kl_cov_is_inert_on_policy_whatever_the_last_bits_of_the_second_pass() -> None:
    tokens = replace(COVARIANCE, old_logprob=COVARIANCE.logprob)
    answer = OVER_STEP["kl_cov"](tokens, replace(WIDE, covariance_share=1.0))
    logprob = (tokens.logprob + torch.tensor([1e-6, -1e-6, 1e-6, -1e-6])).requires_grad_()
    inputs = LossInputs(logprob=logprob, old_logprob=tokens.old_logprob, advantage=tokens.advantage, over_step=answer)
    [gradient] = torch.autograd.grad(LOSSES["kl_cov"](inputs, WIDE).loss.sum(), logprob)
    assert gradient.tolist() == pytest.approx([-2.0, -1.0, 1.0, 2.0], abs=1e-5)


def test_the_direction_of_kl_covs_penalty_is_that_of_the_pass_over_the_step() -> None:
    """Log ratio 1e-6 in that pass, -1e-6 in the pass that learns."""
    tokens = replace(COVARIANCE, old_logprob=COVARIANCE.logprob - 1e-6)
    inputs = LossInputs(
        logprob=(tokens.old_logprob - 1e-6).requires_grad_(),
        old_logprob=tokens.old_logprob,
        advantage=tokens.advantage,
        over_step=OVER_STEP["kl_cov"](tokens, WIDE),
    )
    [gradient] = torch.autograd.grad(LOSSES["kl_cov"](inputs, WIDE).loss.sum(), inputs.logprob)
    assert gradient.tolist() == pytest.approx([-2.0 + 0.7, -1.0, 1.0, 2.0], abs=1e-5)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, [1.0, 1.0, 1.0, 0.0]),  # of the candidates 0 and 3 the one with the lower noise
        ({"covariance_share": 0.5}, [0.0, 1.0, 1.0, 0.0]),
        ({"covariance_share": 1e-4}, [1.0, 1.0, 1.0, 0.0]),  # at least one
        ({"covariance_low": 2.0}, [0.0, 1.0, 1.0, 1.0]),  # above the bound, not at it
        ({"covariance_high": 4.0}, [1.0, 1.0, 1.0, 0.0]),
        ({"covariance_low": 4.0}, [1.0, 1.0, 1.0, 1.0]),  # no candidate, nothing stopped
        ({"covariance_share": 0.5, "clip_high": 0.2}, [1.0, 1.0, 1.0, 0.0]),  # PPO stops token 0 by itself
    ],
)
def test_clip_cov_golden(change: dict[str, float], kept: list[float]) -> None:
    settings = replace(WIDE, **change)
    assert OVER_STEP["clip_cov"](COVARIANCE, settings).tolist() == kept
    terms, gradient = learned("clip_cov", COVARIANCE, settings)
    plain = LOSSES["clipped_ratio"](
        LossInputs(logprob=COVARIANCE.logprob, old_logprob=COVARIANCE.old_logprob, advantage=COVARIANCE.advantage),
        settings,
    )
    assert terms.loss.tolist() == (plain.loss * torch.tensor(kept)).tolist()
    assert [value for value, keep in zip(gradient, kept, strict=True) if not keep] == [0.0] * kept.count(0.0)
    assert terms.clipped_high.tolist() == plain.clipped_high.tolist()


def test_shares_are_of_all_tokens_to_the_nearest() -> None:
    count = 12_000  # 2.4 tokens at the default share
    tokens = StepTokens(
        logprob=-torch.rand(count, generator=torch.Generator().manual_seed(0)),
        old_logprob=torch.full((count,), -0.5),
        advantage=torch.where(torch.arange(count) % 2 == 0, 1.0, -1.0),
        completion=torch.arange(count) // 100,
        noise=torch.rand(count, generator=torch.Generator().manual_seed(1), dtype=torch.float64),
    )
    assert int(OVER_STEP["kl_cov"](tokens, LossSettings()).count_nonzero()) == 2
    eager = LossSettings(covariance_low=0.0, clip_low=0.9, clip_high=9.0)
    assert int((OVER_STEP["clip_cov"](tokens, eager) == 0).sum()) == 2


def test_ties_of_covariance_go_by_noise_in_any_order() -> None:
    """Copies of one completion: every token's covariance is there four times."""
    generator = torch.Generator().manual_seed(3)
    logprob = -torch.rand(6, generator=generator).repeat(4)
    tokens = StepTokens(
        logprob=logprob,
        old_logprob=logprob - 0.1,
        advantage=torch.tensor([1.0] * 12 + [-1.0] * 12),
        completion=torch.arange(4).repeat_interleave(6),
        noise=torch.rand(24, generator=generator, dtype=torch.float64),
    )
    for name in ("kl_cov", "clip_cov"):
        settings = LossSettings(covariance_share=0.25, covariance_low=-1.0)
        chosen = OVER_STEP[name](tokens, settings)
        assert int((chosen == chosen.max() if name == "kl_cov" else chosen == 0).sum()) == 6
        for seed in range(20):
            turn = torch.randperm(24, generator=torch.Generator().manual_seed(seed))
            moved = StepTokens(**{key: getattr(tokens, key)[turn] for key in StepTokens.__dataclass_fields__})
            assert torch.equal(OVER_STEP[name](moved, settings), chosen[turn]), (name, seed)


@pytest.mark.parametrize("name", LOSSES)
def test_a_split_anywhere_changes_no_bit(name: str) -> None:
    """Cuts inside completions too: what a loss knows beyond its token comes from the step, not from the micro-batch."""
    settings = settings_of(Recipe())
    for seed in range(5):
        step = random_step(seed)
        advantage = flat(advantage_of(step, "group_mean_std"), torch.float32)
        tokens = tokens_of(step, advantage, torch.float32)
        answer = OVER_STEP[name](tokens, settings) if name in OVER_STEP else None

        def terms(
            rows: slice, tokens: StepTokens = tokens, answer: torch.Tensor | None = answer
        ) -> tuple[torch.Tensor, torch.Tensor]:
            logprob = tokens.logprob[rows].clone().requires_grad_()
            inputs = LossInputs(
                logprob=logprob,
                old_logprob=tokens.old_logprob[rows],
                advantage=tokens.advantage[rows],
                over_step=None if answer is None else answer[rows],
            )
            loss = LOSSES[name](inputs, settings).loss
            return loss.detach(), torch.autograd.grad(loss.sum(), logprob)[0]

        count = len(advantage)
        whole = terms(slice(0, count))
        for cut in range(1, count):
            halves = zip(terms(slice(0, cut)), terms(slice(cut, count)), strict=True)
            assert all(torch.equal(torch.cat(pair), one) for pair, one in zip(halves, whole, strict=True))
