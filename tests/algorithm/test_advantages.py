"""Golden values worked out by hand: rewards (1,0,0,1,0,0,0,1), mean 3/8, Bessel std sqrt(15/56)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.algorithm.advantages import ADVANTAGES, StepRewards


def advantages(name: str, totals: list[list[float]]) -> list[list[float]]:
    """With completions of one token each."""
    return ADVANTAGES[name](StepRewards(totals=totals, lengths=[[1] * len(group) for group in totals]))  # type: ignore[return-value]


REWARDS = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


def test_group_mean_std_golden() -> None:
    [values] = advantages("group_mean_std", [REWARDS])
    for reward, value in zip(REWARDS, values, strict=True):
        assert value == pytest.approx(1.20738 if reward else -0.72443, abs=5e-6)


def test_group_mean_golden() -> None:
    [values] = advantages("group_mean", [REWARDS])
    assert values == [0.625 if reward else -0.375 for reward in REWARDS]


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
def test_equal_rewards_give_exactly_zero(name: str) -> None:
    assert advantages(name, [[0.1] * 3, [1.1] * 7]) == [[0.0] * 3, [0.0] * 7]


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
def test_empty_group_stays_empty(name: str) -> None:
    assert advantages(name, [[], [1.0, 0.0]])[0] == []


groups = st.lists(st.lists(st.floats(-10, 10), min_size=2, max_size=8), min_size=1, max_size=4)


@pytest.mark.parametrize("name", sorted(ADVANTAGES))
@given(rewards=groups)
def test_sums_to_zero_and_keeps_the_order(name: str, rewards: list[list[float]]) -> None:
    for group, values in zip(rewards, advantages(name, rewards), strict=True):
        assert math.fsum(values) == pytest.approx(0.0, abs=1e-6)
        for i in range(len(group)):
            for j in range(len(group)):
                if group[i] > group[j]:
                    assert values[i] >= values[j]


@given(rewards=groups, shift=st.floats(-3, 3))
def test_shifting_every_reward_changes_nothing(rewards: list[list[float]], shift: float) -> None:
    shifted = [[value + shift for value in group] for group in rewards]
    for a, b in zip(advantages("group_mean", rewards), advantages("group_mean", shifted), strict=True):
        assert a == pytest.approx(b, abs=1e-9)
