"""Hand-computed ratios and weights of three completions with 3, 1 and 2 tokens."""

from __future__ import annotations

import math

import pytest
import torch

from grpo.algorithm.corrections import LEVELS, WEIGHTS, Bounds

RATIOS = [2.0, 2.0, 0.25, 4.0, 0.5, 0.5]
LOGS = torch.tensor([math.log(value) for value in RATIOS])
LENGTHS = torch.tensor([3, 1, 2])
BY_LEVEL = {
    "token": RATIOS,
    "sequence": [1.0, 1.0, 1.0, 4.0, 0.25, 0.25],
    "geometric": [1.0, 1.0, 1.0, 4.0, 0.5, 0.5],
}
BOUNDS = Bounds(floor=0.4, cap=3.0)
BY_CHOICE = {
    ("truncate", "token"): [2.0, 2.0, 0.25, 3.0, 0.5, 0.5],
    ("truncate", "sequence"): [1.0, 1.0, 1.0, 3.0, 0.25, 0.25],
    ("mask", "token"): [2.0, 2.0, 0.0, 0.0, 0.5, 0.5],
    ("mask", "sequence"): [1.0, 1.0, 1.0, 0.0, 0.0, 0.0],
    ("mask", "geometric"): [1.0, 1.0, 1.0, 0.0, 1.0, 1.0],
    ("off", "token"): [1.0] * 6,
}


@pytest.mark.parametrize("level", BY_LEVEL)
def test_levels_golden(level: str) -> None:
    found = LEVELS[level](LOGS, LENGTHS)
    assert found.dtype == torch.float32
    assert found.tolist() == pytest.approx(BY_LEVEL[level], rel=1e-6)


def test_the_registries_are_covered() -> None:
    assert LEVELS.keys() == BY_LEVEL.keys() and WEIGHTS.keys() == BY_CHOICE.keys()


@pytest.mark.parametrize("choice", BY_CHOICE, ids="-".join)
def test_weights_golden(choice: tuple[str, str]) -> None:
    ratio = torch.tensor(BY_LEVEL[choice[1]])
    assert WEIGHTS[choice](ratio, BOUNDS).tolist() == pytest.approx(BY_CHOICE[choice], rel=1e-6)


def test_bounds_are_inside() -> None:
    ratio = torch.tensor([0.5, 2.0, 0.4999, 2.0001])
    assert Bounds(floor=0.5, cap=2.0).outside(ratio).tolist() == [False, False, True, True]


def test_long_products_are_summed_exactly() -> None:
    """A sum of 20,000 logs of 1e-4, and of 0.1: float32 would lose digits of the one and overflow on the other."""
    short, long = torch.full((20_000,), 1e-4), torch.full((20_000,), 0.1)
    lengths = torch.tensor([20_000, 20_000])
    found = LEVELS["sequence"](torch.cat([short, long]), lengths)
    assert found[0].item() == pytest.approx(math.exp(20_000 * float(torch.tensor(1e-4).double())), rel=1e-6)
    assert torch.isfinite(found).all()
    assert LEVELS["geometric"](torch.cat([short, long]), lengths)[-1].item() == pytest.approx(math.exp(0.1), rel=1e-6)
    assert WEIGHTS["mask", "sequence"](found, Bounds(floor=0.0, cap=10.0))[-1].item() == 0.0
    assert WEIGHTS["truncate", "sequence"](found, Bounds(floor=0.0, cap=10.0))[-1].item() == 10.0


def test_sequence_weights_give_the_trainer_s_expectation() -> None:
    """Two binary tokens, sampler (0.5, 0.5) and trainer (0.8, 0.2) each: E_μ[ρ·f] = E_π[f] for the product alone."""
    trainer, sampler = (0.8, 0.2), (0.5, 0.5)
    value = {(0, 0): 1.0, (0, 1): 0.0, (1, 0): 0.0, (1, 1): 1.0}
    exact = sum(trainer[a] * trainer[b] * value[a, b] for a, b in value)
    logs = torch.tensor([math.log(trainer[x] / sampler[x]) for pair in value for x in pair])
    lengths = torch.full((4,), 2)
    chance = torch.tensor([sampler[a] * sampler[b] for a, b in value])
    found = {
        level: float((chance * LEVELS[level](logs, lengths)[1::2] * torch.tensor(list(value.values()))).sum())
        for level in LEVELS
    }
    assert found["sequence"] == pytest.approx(exact, rel=1e-6)
    assert found["token"] != pytest.approx(exact, rel=0.1) and found["geometric"] != pytest.approx(exact, rel=0.1)
