"""Golden values worked out by hand: rewards (1,0,0,1,0,0,0,1), mean 3/8, Bessel std sqrt(15/56)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.algorithm.advantages import ADVANTAGES, Advantage, StepRewards

WITHIN_GROUPS = [name for name in ADVANTAGES if name != "batch_zscore"]


def advantages(name: str, totals: list[list[float]], lengths: list[list[int]] | None = None) -> list[list[float]]:
    """With completions of one token each, unless lengths are given."""
    lengths = lengths or [[1] * len(group) for group in totals]
    return [list(group) for group in ADVANTAGES[name](StepRewards(totals=totals, lengths=lengths))]  # type: ignore[arg-type]


REWARDS = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("group_mean", 0.625, -0.375),
        ("group_mean_std", 1.20738, -0.72443),
        ("group_mean_batch_std", 1.20738, -0.72443),  # a step of one group
        ("group_mean_reward_std", 1.20738, -0.72443),
        ("batch_zscore", 1.20738, -0.72443),
        ("leave_one_out", 0.71429, -0.42857),
        ("maxrl", 1.66667, -1.0),
    ],
)
def test_one_group_golden(name: str, right: float, wrong: float) -> None:
    [values] = advantages(name, [REWARDS])
    assert values == pytest.approx([right if reward else wrong for reward in REWARDS], abs=5e-6)


TWO = [[1.0, 0.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("group_mean_std", [[0.707007, -0.707007], [0.0, 0.0]]),  # 0.5 / (sqrt(0.5) + 1e-4)
        ("group_mean_batch_std", [[1.224445, -1.224445], [0.0, 0.0]]),  # 0.5 / (sqrt(0.5 / 3) + 1e-4)
        ("group_mean_reward_std", [[0.9998, -0.9998], [0.0, 0.0]]),  # std of 1, 0, 1, 1 is 0.5
        ("leave_one_out", [[1.0, -1.0], [0.0, 0.0]]),
        ("maxrl", [[1.0, -1.0], [0.0, 0.0]]),
        # tokens 1 | 000 | 11 | 11: mean 5/8, std sqrt(15/56); a group of equal rewards is not 0
        ("batch_zscore", [[0.724429, -1.207381], [0.724429, 0.724429]]),
    ],
)
def test_two_groups_golden(name: str, expected: list[list[float]]) -> None:
    found = advantages(name, TWO, lengths=[[1, 3], [2, 2]])
    for values, wanted in zip(found, expected, strict=True):
        assert values == pytest.approx(wanted, abs=1e-6)


def test_batch_zscore_returns_to_go_golden() -> None:
    """Returns 0.7, 0.8 | -0.3: mean 0.4, std sqrt(0.37)."""
    step = StepRewards(totals=[[1.0, 0.0]], lengths=[[2, 1]], penalties=[[[0.1, 0.2], [0.3]]])
    [[first, second]] = ADVANTAGES["batch_zscore"](step)
    assert first == pytest.approx((0.493116, 0.657488), abs=1e-6)
    assert second == pytest.approx((-1.150604,), abs=1e-6)


def test_penalties_are_part_of_a_completions_reward() -> None:
    """1 - 0.3 and 0 - 0.3."""
    step = StepRewards(totals=[[1.0, 0.0]], lengths=[[2, 1]], penalties=[[[0.1, 0.2], [0.3]]])
    for name in ("group_mean", "leave_one_out"):
        half = 0.5 if name == "group_mean" else 1.0
        assert ADVANTAGES[name](step)[0] == pytest.approx([half, -half])


@pytest.mark.parametrize("name", ADVANTAGES)
def test_penalties_of_zero_are_none(name: str) -> None:
    lengths = [[1, 3], [2, 2]]
    plain = advantages(name, TWO, lengths)
    zero = [[[0.0] * n for n in group] for group in lengths]
    found = ADVANTAGES[name](StepRewards(totals=TWO, lengths=lengths, penalties=zero))
    for values, wanted, sizes in zip(found, plain, lengths, strict=True):
        for value, scalar, size in zip(values, wanted, sizes, strict=True):
            assert value == (scalar if isinstance(value, float) else (scalar,) * size)


@pytest.mark.parametrize("name", WITHIN_GROUPS)
def test_equal_rewards_give_exactly_zero(name: str) -> None:
    assert advantages(name, [[0.1] * 3, [1.1] * 7]) == [[0.0] * 3, [0.0] * 7]


def test_batch_zscore_compares_groups_of_equal_rewards_with_the_step() -> None:
    [low, high] = advantages("batch_zscore", [[0.0] * 3, [1.0] * 3])
    assert low[0] < 0 < high[0] and low == [low[0]] * 3
    assert advantages("batch_zscore", [[0.1] * 3, [0.1] * 7]) == [[0.0] * 3, [0.0] * 7]


@pytest.mark.parametrize("name", ADVANTAGES)
def test_empty_groups_and_steps_stay_empty(name: str) -> None:
    assert advantages(name, [[], [1.0, 0.0]])[0] == []
    assert advantages(name, [[]]) == [[]]
    assert advantages(name, []) == []


@pytest.mark.parametrize("name", ADVANTAGES)
def test_a_step_of_one_completion_has_nothing_to_compare(name: str) -> None:
    assert advantages(name, [[0.7]], lengths=[[1]]) == [[0.0]]
    assert advantages(name, [[0.7]], lengths=[[5]]) == [[0.0]]


def test_maxrl_refuses_negative_rewards() -> None:
    with pytest.raises(ValueError, match=r"reward -0\.5: .*0 or more"):
        advantages("maxrl", [[1.0, -0.5]])
    assert advantages("maxrl", [[0.0, 0.0], [0.0, 4.0]]) == [[0.0, 0.0], [-1.0, 1.0]]


rewards = st.floats(0, 10, allow_subnormal=False)
groups = st.lists(st.lists(rewards, min_size=2, max_size=8), min_size=1, max_size=4)


@pytest.mark.parametrize("name", WITHIN_GROUPS)
@settings(max_examples=30)
@given(rewards=groups)
def test_sums_to_zero_and_keeps_the_order(name: str, rewards: list[list[float]]) -> None:
    for group, values in zip(rewards, advantages(name, rewards), strict=True):
        assert math.fsum(values) == pytest.approx(0.0, abs=1e-6)
        for i in range(len(group)):
            for j in range(len(group)):
                if group[i] > group[j]:
                    assert values[i] >= values[j]


@settings(max_examples=30)
@given(rewards=groups, lengths=st.integers(1, 5))
def test_batch_zscore_sums_to_zero_over_tokens(rewards: list[list[float]], lengths: int) -> None:
    sizes = [[1 + (lengths * (i + 1)) % 5 for i in range(len(group))] for group in rewards]
    found = advantages("batch_zscore", rewards, sizes)
    total = [n * value for values, row in zip(found, sizes, strict=True) for value, n in zip(values, row, strict=True)]
    assert math.fsum(total) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["group_mean", "leave_one_out"])
@settings(max_examples=30)
@given(rewards=groups, shift=st.floats(-3, 3))
def test_shifting_every_reward_changes_nothing(name: str, rewards: list[list[float]], shift: float) -> None:
    shifted = [[value + shift for value in group] for group in rewards]
    for a, b in zip(advantages(name, rewards), advantages(name, shifted), strict=True):
        assert a == pytest.approx(b, abs=1e-9)


@pytest.mark.parametrize("name", ADVANTAGES)
@settings(max_examples=30)
@given(data=st.data(), rewards=groups)
def test_the_order_of_groups_and_completions_changes_no_bit(
    name: str, data: st.DataObject, rewards: list[list[float]]
) -> None:
    penalties = [[[0.01 * (len(group) - i)] * (1 + i % 3) for i in range(len(group))] for group in rewards]
    raised = [[value + 1.0 for value in group] for group in rewards]  # above 0 with the penalty

    def run(order: list[int], turns: list[int]) -> list[list[Advantage]]:
        def moved(rows: list[list[object]]) -> list[list[object]]:
            return [rows[g][turns[g] :] + rows[g][: turns[g]] for g in order]

        lengths = [[len(tokens) for tokens in group] for group in penalties]
        step = StepRewards(totals=moved(raised), lengths=moved(lengths), penalties=moved(penalties))  # type: ignore[arg-type]
        return [list(values) for values in ADVANTAGES[name](step)]

    still = run(list(range(len(rewards))), [0] * len(rewards))
    order = data.draw(st.permutations(range(len(rewards))))
    turns = [data.draw(st.integers(0, len(group) - 1)) for group in rewards]
    assert run(order, turns) == [still[g][turns[g] :] + still[g][: turns[g]] for g in order]
