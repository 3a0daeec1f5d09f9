"""Every advantage × loss × reduction × KL against the second implementation, value and gradient.

In float64, where what is left is the float32 of the reductions' weights; the functions are those that run in float32.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from grpo.algorithm.advantages import ADVANTAGES
from grpo.algorithm.kl import ESTIMATORS
from grpo.algorithm.losses import LOSSES
from grpo.algorithm.reductions import REDUCTIONS
from tests.algorithm import oracle
from tests.algorithm.flat import advantage_of, flat, ours
from tests.algorithm.oracle import Recipe, random_step

KL = [None, *ESTIMATORS]
CLOSE = {"rel": 1e-6, "abs": 1e-7}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("advantage", ADVANTAGES)
def test_every_combination(advantage: str, loss: str) -> None:
    """Value, and the derivative along two random directions."""
    for seed, (reduction, kl) in enumerate(product(REDUCTIONS, KL)):
        step = random_step(seed, penalised=seed % 2 == 1)
        recipe = Recipe(advantage=advantage, loss=loss, reduction=reduction, kl=kl)
        value, gradient = ours(step, recipe)
        assert value == pytest.approx(oracle.step_loss(step, recipe), **CLOSE), (reduction, kl)
        for key in (1, 2):
            direction = _direction(step, key)
            along = (gradient * flat(direction)).sum().item()
            assert along == pytest.approx(oracle.slope(step, recipe, direction), rel=1e-5, abs=1e-7), (reduction, kl)


def _direction(step: oracle.Step, key: int) -> oracle.Tokens:
    draw = np.random.default_rng(key)
    return [[[float(draw.normal()) for _ in row] for row in group] for group in step.logprob]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("state", ["off_policy", "on_policy", "dual_clip"])
def test_every_entry_of_the_gradient(loss: str, state: str) -> None:
    knobs = {"dual_clip": 1.1, "clip_high": 0.05} if state == "dual_clip" else {}
    for seed in range(8):
        step = random_step(100 + seed, on_policy=state == "on_policy")
        recipe = Recipe(loss=loss, reduction="sequence_mean", kl="k3_unbiased", knobs=knobs)
        assert ours(step, recipe)[1].tolist() == pytest.approx(oracle.gradient(step, recipe), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", ADVANTAGES)
@pytest.mark.parametrize("penalised", [False, True])
def test_advantages(name: str, penalised: bool) -> None:
    for seed in range(30):
        step = random_step(seed, penalised)
        assert flat(advantage_of(step, name)).tolist() == pytest.approx(
            flat(oracle.advantages(name, step)).tolist(), rel=1e-12, abs=1e-12
        )


@pytest.mark.parametrize("loss", LOSSES)
def test_float32_is_the_same_within_its_precision(loss: str) -> None:
    for seed in range(5):
        step, recipe = random_step(seed), Recipe(loss=loss, kl="k3")
        (value, gradient), (short, rough) = ours(step, recipe), ours(step, recipe, torch.float32)
        assert rough.dtype == torch.float32
        assert short == pytest.approx(value, rel=1e-5, abs=1e-6)
        torch.testing.assert_close(rough.double(), gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_order_of_prompts_and_completions_changes_nothing(loss: str) -> None:
    """Selections included: they go by keyed noise, never by place."""
    for seed in range(10):
        step = random_step(seed)
        turned = _reversed(step)
        recipe = Recipe(loss=loss, reduction="prompt_mean", advantage="batch_zscore")
        value, gradient = ours(step, recipe)
        other, moved = ours(turned, recipe)
        back = flat(_reversed_tokens(_nested(moved, turned)))
        assert other == pytest.approx(value, rel=1e-12, abs=1e-14)
        torch.testing.assert_close(back, gradient, rtol=1e-12, atol=1e-15)


def _reversed(step: oracle.Step) -> oracle.Step:
    tokens = {name: _reversed_tokens(getattr(step, name)) for name in ("logprob", "old", "reference", "noise")}
    return replace(step, rewards=[group[::-1] for group in step.rewards[::-1]], **tokens)


def _reversed_tokens(nested: oracle.Tokens) -> oracle.Tokens:
    return [group[::-1] for group in nested[::-1]]


def _nested(values: torch.Tensor, step: oracle.Step) -> oracle.Tokens:
    left = iter(values.tolist())
    return [[[next(left) for _ in row] for row in group] for group in step.logprob]
