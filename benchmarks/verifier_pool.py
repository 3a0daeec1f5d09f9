"""What the pool costs beside the judgement: its start, a round trip, the transport, a new worker for a killed one."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Sequence

from grpo.rewards.math.judge import judge
from grpo.rewards.math.pool import Pool, Work
from grpo.rewards.math.verifier import JUDGE

ROUND_TRIPS, ITEMS, REPEATS = 300, 4000, 5


def pool_costs(seed: int) -> dict[str, float]:
    """One worker. Seconds, milliseconds and microseconds as the names say; medians of what is repeated."""
    pairs = _pairs(random.Random(seed), ITEMS)
    pool = Pool(JUDGE, workers=1)
    try:
        started = _seconds(pool.start)
        _judge_all(pool, pairs)
        alone = [_seconds(lambda: [judge(gold, text) for gold, text in pairs]) for _ in range(REPEATS)]
        pooled = [_seconds(lambda: _judge_all(pool, pairs)) for _ in range(REPEATS)]
        trips = [_seconds(lambda pair=pair: _judge_all(pool, [pair])) for pair in pairs[:ROUND_TRIPS]]  # type: ignore[misc]
        replaced = [_replacement_seconds(pool, pairs[0]) for _ in range(2 * REPEATS)]
    finally:
        pool.close()
    judged = [_seconds(lambda pair=pair: judge(*pair)) for pair in pairs[:ROUND_TRIPS]]  # type: ignore[misc]
    return {
        "start_seconds": started,
        "round_trip_microseconds": 1e6 * (statistics.median(trips) - statistics.median(judged)),
        "transport_microseconds_per_item": 1e6 * (statistics.median(pooled) - statistics.median(alone)) / ITEMS,
        "judgement_microseconds_per_item": 1e6 * statistics.median(alone) / ITEMS,
        "replace_killed_worker_milliseconds": 1e3 * statistics.median(replaced),
    }


def _pairs(rng: random.Random, count: int) -> list[tuple[str, str]]:
    golds = [str(rng.randrange(10**6)) for _ in range(count)]
    return [(gold, rf"Adding these up gives the total, so the answer is $\boxed{{{gold}}}$.") for gold in golds]


def _judge_all(pool: Pool, pairs: Sequence[tuple[str, str]]) -> None:
    pool.judge_all(Work(items=pairs, mode="lenient", deadline_seconds=1.0))


def _replacement_seconds(pool: Pool, pair: tuple[str, str]) -> float:
    """Of a call that finds its worker dead."""
    [slot] = pool.slots.all
    assert slot.worker is not None
    os.kill(slot.worker.pid, signal.SIGKILL)
    time.sleep(0.05)
    return _seconds(lambda: _judge_all(pool, [pair]))


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
