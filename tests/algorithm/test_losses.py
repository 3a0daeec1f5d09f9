"""Hand-computed losses and gradients. The old log-prob is -1 throughout; clip range 0.2 below and 0.28 above.

d(-r·A)/d(logprob) = -r·A where the unclipped branch is taken, 0 where the clipped one is.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from grpo.algorithm.losses import LOSSES, OVER_STEP, LossInputs, LossSettings

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


@pytest.mark.parametrize("name", OVER_STEP)
def test_a_missing_answer_of_the_step_is_an_error(name: str) -> None:
    with pytest.raises(AssertionError, match="OVER_STEP"):
        run(name, 1.0, 1.0, SETTINGS)
