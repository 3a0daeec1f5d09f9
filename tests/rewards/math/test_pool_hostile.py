"""The verifier under texts made to break it: bounded in time and memory, nothing executed, healthy afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from grpo.rewards.math.pool import Pool, Work
from grpo.rewards.math.result import Result, Verdict
from tests.rewards.math.hostile import FAMILIES, hostile_pairs
from tests.rewards.math.pools import family, template_pid

DEADLINE_SECONDS = 1.0
GRACE_SECONDS = 0.5
MAX_RESIDENT_BYTES = 600 << 20
"""Of one worker at its largest, sympy included."""


@pytest.fixture(scope="module")
def watched() -> Iterator[Pool]:
    made = Pool("tests.rewards.math.watched_judge:judge", workers=2)
    yield made
    made.close()


def judged(pool: Pool, pairs: list[tuple[str, str]], mode: str = "lenient") -> list[Result]:
    return pool.judge_all(Work(items=pairs, mode=mode, deadline_seconds=DEADLINE_SECONDS))


def peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"/proc/{pid}/status has no VmHWM")


def check(pool: Pool, count: int, seed: int, canary: Path) -> list[Result]:
    pairs = list(hostile_pairs(seed, count, canary))
    results = judged(pool, pairs)
    assert len(results) == count
    odd = {
        index: (pairs[index][0][:80], pairs[index][1][:80], result)
        for index, result in enumerate(results)
        if result.equal
        or result.milliseconds > 1000 * (DEADLINE_SECONDS + GRACE_SECONDS)
        or (result.verdict is Verdict.ERROR and not result.reason.startswith("gold"))
    }
    assert odd == {}
    assert not canary.exists() and not list(canary.parent.iterdir())
    _, *workers = family(template_pid(pool))
    assert len(workers) == 2 and max(map(peak_bytes, workers)) < MAX_RESIDENT_BYTES
    healthy = judged(pool, [("2", r"\boxed{2}"), ("2", r"\boxed{3}"), (r"\frac{1}{2}", r"\boxed{0.5}")] * 10)
    assert [one.equal for one in healthy] == [True, False, True] * 10
    return results


def test_the_watch_sees_what_it_should(watched: Pool, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for code, event in (
        (f"open({str(canary)!r}, 'w')", "open"),
        ("exec('1')", "exec (<code object <module>"),
        ("compile('1', 'name', 'eval')", "compile"),
        (f"__import__('os').system('touch {canary}')", "os.system"),
    ):
        [result] = judged(watched, [("2", f"WATCH {code}")])
        assert result.verdict is Verdict.ERROR and result.reason.startswith("PermissionError: "), result
        assert event in result.reason, result


def test_three_hundred_hostile_texts(watched: Pool, tmp_path: Path) -> None:
    results = check(watched, 300, 1, tmp_path / "canary")
    assert sum(one.verdict is Verdict.TIMED_OUT for one in results) <= 3


@pytest.mark.slow
def test_ten_thousand_hostile_texts(watched: Pool, tmp_path: Path) -> None:
    results = check(watched, 10_000, 0, tmp_path / "canary")
    slowest = max(one.milliseconds for one in results)
    assert sum(one.verdict is Verdict.TIMED_OUT for one in results) <= 10, f"slowest {slowest} ms"


def test_the_generator_reaches_every_family(tmp_path: Path) -> None:
    pairs = list(hostile_pairs(1, 300, tmp_path / "canary"))
    assert pairs == list(hostile_pairs(1, 300, tmp_path / "canary")) != list(hostile_pairs(2, 300, tmp_path / "canary"))
    assert len(pairs) == 300 and len(FAMILIES) == 27
    assert sum("canary" in text + gold for gold, text in pairs) > 20
    assert max(len(text) for _, text in pairs) > 100_000
