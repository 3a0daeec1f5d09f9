"""Values worked out by hand from the paper's formula."""

from __future__ import annotations

import pytest

from grpo.rewards.shaping.overlong import SoftOverlongPunishment


def tokens(*lengths: int) -> list[list[int]]:
    return [[1] * length for length in lengths]


def test_the_papers_setting() -> None:
    punish = SoftOverlongPunishment()
    assert punish(completion_ids=tokens(0, 16_384, 18_432, 20_480, 20_481)) == [0.0, 0.0, -0.5, -1.0, -1.0]


def test_own_limits() -> None:
    punish = SoftOverlongPunishment(max_tokens=100, cache_tokens=20)
    assert punish(tokens(80, 85, 90, 99, 100, 101)) == [0.0, -0.25, -0.5, -0.95, -1.0, -1.0]


def test_without_a_cache_only_the_limit_counts() -> None:
    assert SoftOverlongPunishment(max_tokens=10, cache_tokens=0)(tokens(10, 11)) == [0.0, -1.0]


@pytest.mark.parametrize("settings", [{"max_tokens": 0}, {"cache_tokens": -1}, {"max_tokens": 5, "cache_tokens": 6}])
def test_refuses(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="_tokens"):
        SoftOverlongPunishment(**settings)
