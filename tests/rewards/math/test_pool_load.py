"""The pool on a busy machine: verdicts stay what they are, and the host's main thread goes on."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from grpo.rewards.math.pool import Pool
from grpo.rewards.math.pool.host import usable_cores
from tests.rewards.math.pools import GOLD, HARMFUL, judged

THREADS, ITEMS = 8, 100
STALL_SECONDS = 0.05


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait(timeout=10)


@pytest.mark.slow
def test_a_busy_machine_makes_nothing_time_out() -> None:
    texts = [GOLD, "wrong", "work 0.2", "spin"] * 4
    pool = Pool(HARMFUL, workers=usable_cores())
    try:
        idle = [one.verdict for one in judged(pool, texts, deadline=0.4)]
        with busy_loops(2 * usable_cores()):
            busy = [one.verdict for one in judged(pool, texts, deadline=0.4)]
    finally:
        pool.close()
    assert busy == idle
    assert [one.value for one in idle] == ["right", "wrong", "wrong", "timed_out"] * 4


def longest_stall(pool: Pool, bomb: str) -> float:
    """Seconds by which the main thread's naps were longer than asked, at most, while eight threads judge."""
    texts = [GOLD if index % 2 else "wrong" for index in range(ITEMS - 1)]
    texts.insert(ITEMS // 2, bomb)
    threads = [threading.Thread(target=judged, args=(pool, texts), kwargs={"deadline": 0.2}) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    worst = 0.0
    while any(thread.is_alive() for thread in threads):
        begun = time.perf_counter()
        time.sleep(0.001)
        worst = max(worst, time.perf_counter() - begun - 0.001)
    return worst


@pytest.mark.slow
def test_bombs_do_not_stall_the_main_thread() -> None:
    """The control has the same load without anything to kill. Three runs of each: a neighbour may disturb one."""
    pool = Pool(HARMFUL, workers=usable_cores())
    try:
        longest_stall(pool, "spin")
        controls = [longest_stall(pool, "work 0.19") for _ in range(3)]
        bombed = [longest_stall(pool, bomb) for bomb in ("spin", "hang", "spin")]
    finally:
        pool.close()
    assert sorted(bombed)[1] <= max(controls) + STALL_SECONDS, (bombed, controls)
