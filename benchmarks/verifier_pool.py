"""What the pool costs beside the judgement: its start, a round trip, the transport, a new worker for a killed one."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from grpo.rewards.math.judge import judge
from grpo.rewards.math.pool import Pool, Work
from grpo.rewards.math.verifier import JUDGE

ROUND_TRIPS, ITEMS, REPEATS = 300, 4000, 5


def pool_costs(seed: int) -> dict[str, float]:
    """One worker; medians of what is repeated. Per item it is CPU time of host and worker, the others are wall time."""
    pairs = _pairs(random.Random(seed), ITEMS)
    pool = Pool(JUDGE, workers=1)
    try:
        started = _seconds(pool.start)
        _judge_all(pool, pairs)
        processes = (os.getpid(), _only_worker(pool))
        alone = [_cpu_seconds(lambda: [judge(*pair) for pair in pairs], processes[:1]) for _ in range(REPEATS)]
        pooled = [_cpu_seconds(lambda: _judge_all(pool, pairs), processes) for _ in range(REPEATS)]
        trips = [_seconds(lambda pair=pair: _judge_all(pool, [pair])) for pair in pairs[:ROUND_TRIPS]]  # type: ignore[misc]
        replaced = [_replacement_seconds(pool, pairs[0]) for _ in range(2 * REPEATS)]
    finally:
        pool.close()
    judged = [_seconds(lambda pair=pair: judge(*pair)) for pair in pairs[:ROUND_TRIPS]]  # type: ignore[misc]
    return {
        "start_seconds": started,
        "round_trip_microseconds": 1e6 * (statistics.median(trips) - statistics.median(judged)),
        "transport_cpu_microseconds_per_item": 1e6 * (statistics.median(pooled) - statistics.median(alone)) / ITEMS,
        "judgement_cpu_microseconds_per_item": 1e6 * statistics.median(alone) / ITEMS,
        "replace_killed_worker_milliseconds": 1e3 * statistics.median(replaced),
    }


def _pairs(rng: random.Random, count: int) -> list[tuple[str, str]]:
    golds = [str(rng.randrange(10**6)) for _ in range(count)]
    return [(gold, rf"Adding these up gives the total, so the answer is $\boxed{{{gold}}}$.") for gold in golds]


def _judge_all(pool: Pool, pairs: Sequence[tuple[str, str]]) -> None:
    pool.judge_all(Work(items=pairs, mode="lenient", deadline_seconds=1.0))


def _replacement_seconds(pool: Pool, pair: tuple[str, str]) -> float:
    """Of a call that finds its worker dead."""
    os.kill(_only_worker(pool), signal.SIGKILL)
    time.sleep(0.05)
    return _seconds(lambda: _judge_all(pool, [pair]))


def _only_worker(pool: Pool) -> int:
    [slot] = pool.slots.all
    assert slot.worker is not None
    return slot.worker.pid


def _cpu_seconds(action: Callable[[], object], processes: Sequence[int]) -> float:
    """Of the scheduler's own count: the CPU clock of a process with a CPU timer stands still between ticks."""
    before = sum(map(_nanoseconds_on_cpu, processes))
    action()
    return (sum(map(_nanoseconds_on_cpu, processes)) - before) / 1e9


def _nanoseconds_on_cpu(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
