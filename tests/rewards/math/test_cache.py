from __future__ import annotations

import pytest

from grpo.rewards.math.cache import VerdictCache
from grpo.rewards.math.result import Result, Verdict


def result(verdict: Verdict = Verdict.WRONG) -> Result:
    return Result(equal=False, verdict=verdict, extracted="x", reason="", path="exact")


def test_the_least_recently_used_goes_first() -> None:
    cache = VerdictCache(max_bytes=10_000)
    keys = [(str(index), "t" * 1000, "lenient") for index in range(20)]
    for key in keys[:6]:
        cache.keep([(key, result())])
    assert set(cache.known(keys)) == set(keys[:6])
    cache.known([keys[0]])
    cache.keep((key, result()) for key in keys[6:9])
    assert cache.bytes <= 10_000
    known = set(cache.known(keys))
    assert keys[0] in known and keys[1] not in known and keys[8] in known
    cache.clear()
    assert cache.bytes == 0 and cache.known(keys) == {}


def test_bytes_follow_what_is_kept() -> None:
    cache = VerdictCache(max_bytes=1_000_000)
    key = ("1", "é" * 1000, "lenient")
    cache.keep([(key, result())])
    first = cache.bytes
    assert 1500 < first < 4500
    cache.keep([(key, result())])
    assert cache.bytes == first
    cache.keep([(("1", "x" * 2_000_000, "lenient"), result())])  # larger than all: nothing stays
    assert cache.bytes == 0


@pytest.mark.parametrize("verdict", list(Verdict))
def test_which_verdicts_are_kept(verdict: Verdict) -> None:
    cache = VerdictCache()
    cache.keep([(("1", "2", "lenient"), result(verdict))])
    assert bool(cache.known([("1", "2", "lenient")])) == (verdict not in (Verdict.TIMED_OUT, Verdict.ERROR))
