"""Hand-computed losses and gradients. The old log-prob is -1 throughout; clip range 0.2 below and 0.28 above.

d(-r·A)/d(logprob) = -r·A where the unclipped branch is taken, 0 where the clipped one is.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from grpo.algorithm.losses import LOSSES, OVER_STEP, LossInputs, LossSettings, LossTerms, StepTokens
from tests.algorithm.flat import advantage_of, flat, settings_of, tokens_of
from tests.algorithm.oracle import Recipe, random_step

SETTINGS = LossSettings(clip_low=0.2, clip_high=0.28)


def run(name: str, ratio: float, advantage: float, settings: LossSettings) -> tuple[float, float, bool, bool]:
    """Loss, gradient and the two flags of one token."""
    old = torch.tensor([-1.0])
    new = (old + math.log(ratio)).requires_grad_()
    terms = LOSSES[name](LossInputs(logprob=new, old_logprob=old, advantage=torch.tensor([advantage])), settings)
    [gradient] = torch.autograd.grad(terms.loss.sum(), new)
    return terms.loss.item(), gradient.item(), bool(terms.clipped_low), bool(terms.clipped_high)


#            ratio, advantage, loss, gradient, clipped low, clipped high
CLIPPED = [
    (1.00, 2.0, -2.00, -2.00, False, False),  # on-policy: the policy gradient itself
    (1.00, -1.5, 1.50, 1.50, False, False),
    (1.50, 2.0, -2.56, 0.00, False, True),  # 1.28 · 2: no reward for going further
    (1.50, -2.0, 3.00, 3.00, False, False),  # min takes the worse branch: the gradient stays
    (0.50, 2.0, -1.00, -1.00, False, False),
    (0.50, -2.0, 1.60, 0.00, True, False),  # 0.8 · 2
    (1.20, 1.0, -1.20, -1.20, False, False),  # inside the wider upper range
    (0.85, -1.0, 0.85, 0.85, False, False),
]


@pytest.mark.parametrize(("ratio", "advantage", "loss", "gradient", "low", "high"), CLIPPED)
def test_clipped_ratio_golden(
    ratio: float, advantage: float, loss: float, gradient: float, low: bool, high: bool
) -> None:
    found = run("clipped_ratio", ratio, advantage, SETTINGS)
    assert found[:2] == pytest.approx((loss, gradient), abs=1e-6)
    assert found[2:] == (low, high)


def test_r1s_clip_of_10_stops_nothing_below_a_ratio_of_11() -> None:
    wide = replace(SETTINGS, clip_low=1.0, clip_high=10.0)
    assert run("clipped_ratio", 0.01, -1.0, wide) == pytest.approx((0.01, 0.01, False, False), abs=1e-6)
    assert run("clipped_ratio", 10.9, 1.0, wide) == pytest.approx((-10.9, -10.9, False, False), rel=1e-6)
    assert run("clipped_ratio", 12.0, 1.0, wide) == pytest.approx((-11.0, 0.0, False, True), rel=1e-6)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient", "high"),
    [
        (4.0, -2.0, 6.0, 0.0, True),  # 3 · 2
        (2.9, -2.0, 5.8, 5.8, False),
        (4.0, 1.0, -1.28, 0.0, True),  # the ordinary clip
        (0.5, -2.0, 1.6, 0.0, False),
    ],
)
def test_dual_clip_golden(ratio: float, advantage: float, loss: float, gradient: float, high: bool) -> None:
    found = run("clipped_ratio", ratio, advantage, replace(SETTINGS, dual_clip=3.0))
    assert found[:2] == pytest.approx((loss, gradient), abs=1e-5)
    assert found[3] == high


@pytest.mark.parametrize("ratio", [0.1, 0.79, 0.9, 1.0, 1.2, 1.3, 3.9, 4.1, 30.0])
@pytest.mark.parametrize("advantage", [-1.5, 1.5])
def test_dual_clip_is_intellect_2s_two_sided_clip(ratio: float, advantage: float) -> None:
    """max(-min(r, delta)·A, -clip(r)·A), delta = 4."""
    bounded = min(max(ratio, 0.8), 1.28)
    expected = max(-min(ratio, 4.0) * advantage, -bounded * advantage)
    assert run("clipped_ratio", ratio, advantage, replace(SETTINGS, dual_clip=4.0))[0] == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize(
    ("ratio", "advantage", "clip_low", "clip_high", "loss", "gradient", "flags"),
    [
        # -w·A·logprob with logprob = -1 + ln r; the gradient is -w·A, bounded but never 0
        (1.5, 2.0, 0.2, 0.28, 1.522009, -2.56, (False, True)),
        (1.5, -2.0, 0.2, 0.28, -1.522009, 2.56, (False, True)),
        (0.5, -2.0, 0.2, 0.28, -2.709035, 1.6, (True, False)),
        (0.5, -2.0, 1.0, 4.0, -1.693147, 1.0, (False, False)),  # clip_low 1: no lower bound
        (10.0, 1.0, 1.0, 4.0, -6.512925, -5.0, (False, True)),  # clip_high 4 is the cap 5 of TRL and ScaleRL
    ],
)
def test_cispo_golden(
    ratio: float,
    advantage: float,
    clip_low: float,
    clip_high: float,
    loss: float,
    gradient: float,
    flags: tuple[bool, bool],
) -> None:
    found = run("cispo", ratio, advantage, LossSettings(clip_low=clip_low, clip_high=clip_high))
    assert found[:2] == pytest.approx((loss, gradient), abs=2e-5)
    assert found[2:] == flags


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (1.0, 1.0, -2.0, -1.0),  # f(1) = 2 / tau, slope 1
        (1.0, -1.0, 1.904762, 1.0),  # tau 1.05
        (2.0, 1.0, -2.924234, -1.572895),  # sigmoid(1) = 0.7310586; 4·p·(1 - p)·r
        (2.0, -2.0, 5.643999, 3.072439),  # sigmoid(1.05) = 0.7407749
        (0.5, 1.5, -2.265244, -0.705011),  # sigmoid(-0.5) = 0.3775407
    ],
)
def test_sapo_golden(ratio: float, advantage: float, loss: float, gradient: float) -> None:
    found = run("sapo", ratio, advantage, SETTINGS)
    assert found[:2] == pytest.approx((loss, gradient), abs=2e-5)
    assert found[2:] == (False, False)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 9.0])
def test_reinforce_does_not_know_the_old_policy(ratio: float) -> None:
    assert run("reinforce", ratio, 1.5, SETTINGS) == pytest.approx((-1.5, -1.5, False, False), abs=1e-6)


# --- losses that see the whole step


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


@pytest.mark.parametrize("name", OVER_STEP)
def test_a_missing_answer_of_the_step_is_an_error(name: str) -> None:
    with pytest.raises(AssertionError, match="OVER_STEP"):
        run(name, 1.0, 1.0, SETTINGS)
