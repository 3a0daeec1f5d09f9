from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grpo.rewards.math.pool import Pool, PoolError
from grpo.rewards.math.result import Result, Verdict
from tests.rewards.math.pools import GOLD, HARMFUL, alive, family, judged, template_pid, told, wait_until

MIXED = [GOLD if index % 3 else f"wrong {index}" for index in range(300)]
EXPECTED = [index % 3 != 0 for index in range(300)]


def equals(results: list[Result]) -> list[bool]:
    return [result.equal for result in results]


def test_results_come_in_order_and_whole(pool: Pool) -> None:
    results = judged(pool, MIXED, mode="strict")
    assert equals(results) == EXPECTED
    assert [result.extracted for result in results] == MIXED
    assert {result.reason for result in results} == {"strict"} and {result.path for result in results} == {"identity"}
    assert all(0 < result.milliseconds < 1000 for result in results)
    assert judged(pool, []) == []


def test_any_text_arrives_as_it_is(pool: Pool) -> None:
    texts = ["", "\0", "\ud800", "\ud83d\ude00", "é\u2028\U0001f600", "a\nb", '"\\', "\x7f\x80", "x" * 2001]
    assert [result.extracted for result in judged(pool, texts)] == [*texts[:-1], "x" * 2000]


def test_megabytes_go_both_ways(pool: Pool) -> None:
    texts = [f"{index}" + "é" * 1_000_000 for index in range(12)]
    assert [result.extracted for result in judged(pool, texts)] == [text[:2000] for text in texts]


@pytest.mark.parametrize(
    ("harm", "verdict", "reason"),
    [
        ("hang", Verdict.TIMED_OUT, "deadline"),
        ("spin", Verdict.TIMED_OUT, "deadline"),
        ("segfault", Verdict.ERROR, "worker died: was killed by SIGSEGV"),
        ("exit 7", Verdict.ERROR, "worker died: ended with exit code 7"),
        ("exit 0", Verdict.ERROR, "worker died: ended with exit code 0"),
        ("memory", Verdict.ERROR, "memory"),
        ("fail", Verdict.ERROR, "RuntimeError: no good"),
        ("recurse", Verdict.UNPARSABLE, "too_deep"),
    ],
)
def test_harm_is_the_item_s_own(pool: Pool, harm: str, verdict: Verdict, reason: str) -> None:
    results = judged(pool, [*MIXED[:150], harm, *MIXED[150:], harm], deadline=0.3)
    for place in (301, 150):
        harmed = results.pop(place)
        assert (harmed.equal, harmed.verdict, harmed.extracted, harmed.path) == (False, verdict, None, "pool")
        assert harmed.reason.startswith(reason)
    assert equals(results) == EXPECTED
    assert equals(judged(pool, MIXED)) == EXPECTED


def test_memory_is_bounded() -> None:
    pool = Pool(HARMFUL, workers=1, memory_bytes=256 << 20)
    try:
        results = judged(pool, [GOLD, "hoard", GOLD], deadline=20.0)
    finally:
        pool.close()
    assert equals(results) == [True, False, True]
    assert (results[1].verdict, results[1].reason) == (Verdict.ERROR, "memory")


def test_waiting_is_cut_by_the_wall_clock(pool: Pool) -> None:
    started = time.monotonic()
    results = judged(pool, [GOLD, "sleep 1000", GOLD], deadline=0.05)
    assert equals(results) == [True, False, True]
    assert (results[1].verdict, results[1].reason) == (Verdict.TIMED_OUT, "wall_deadline")
    assert 0.4 < time.monotonic() - started < 5


def test_the_deadline_is_for_one_item_not_for_the_batch(pool: Pool) -> None:
    results = judged(pool, ["work 0.1"] * 10, deadline=0.3)
    assert {result.verdict for result in results} == {Verdict.WRONG}
    assert all(result.milliseconds > 90 for result in results)


def test_a_worker_killed_from_outside_costs_no_verdict(pool: Pool, tmp_path: Path) -> None:
    texts = [*MIXED, f"die_once {tmp_path / 'mark'}"]
    results = judged(pool, texts)
    assert equals(results) == [*EXPECTED, False] and results[-1].verdict is Verdict.WRONG
    for pid in family(template_pid(pool))[1:]:
        os.kill(pid, signal.SIGKILL)
    assert equals(judged(pool, MIXED)) == EXPECTED


def test_a_killed_template_is_replaced(own_pool: Pool) -> None:
    judged(own_pool, MIXED)
    before = family(template_pid(own_pool))
    os.kill(before[0], signal.SIGKILL)
    assert wait_until(lambda: not any(alive(pid) for pid in before[1:]))
    assert equals(judged(own_pool, MIXED)) == EXPECTED
    assert template_pid(own_pool) != before[0]


def test_workers_stay_and_their_number_is_the_limit(pool: Pool) -> None:
    pids = {judged(pool, ["tell pid"] * 100)[index].extracted for index in range(100)}
    assert len(pids) <= 2
    assert {told(pool, "pid") for _ in range(20)} <= pids
    assert len(family(template_pid(pool))) <= 3


def test_many_kills_leave_no_process_and_no_descriptor(pool: Pool) -> None:
    judged(pool, ["exit 1", *MIXED])
    open_before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        assert equals(judged(pool, ["exit 1", *MIXED[:20]])) == [False, *EXPECTED[:20]]
    assert len(os.listdir("/proc/self/fd")) <= open_before
    assert len(family(template_pid(pool))) <= 3
    assert int(told(pool, "descriptors")) < 12


def test_eight_threads_at_once(pool: Pool) -> None:
    def call(number: int) -> list[bool]:
        texts = [GOLD if (index + number) % 3 else "wrong" for index in range(100)]
        texts[number * 10] = "exit 1" if number % 2 else "spin"
        return equals(judged(pool, texts, deadline=0.2))

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(call, range(8)))
    for number, values in enumerate(found):
        wanted = [(index + number) % 3 != 0 for index in range(100)]
        wanted[number * 10] = False
        assert values == wanted


def test_a_long_call_does_not_shut_out_a_short_one(pool: Pool) -> None:
    judged(pool, [GOLD] * 20)
    ended: list[float] = []

    def long_call() -> None:
        judged(pool, ["work 0.02"] * 100)
        ended.append(time.monotonic())

    started = time.monotonic()
    thread = threading.Thread(target=long_call)
    thread.start()
    time.sleep(0.2)
    assert equals(judged(pool, [GOLD])) == [True]
    served = time.monotonic()
    thread.join(timeout=60)
    assert served - started < 0.75 * (ended[0] - started)


def test_under_asyncio_the_loop_goes_on(pool: Pool) -> None:
    async def run() -> tuple[list[Result], int]:
        call = asyncio.create_task(asyncio.to_thread(judged, pool, ["sleep 0.3", GOLD]))
        ticks = 0
        while not call.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await call, ticks

    results, ticks = asyncio.run(run())
    assert equals(results) == [False, True] and ticks > 5


def test_signals_of_the_host_are_not_touched(pool: Pool) -> None:
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    try:
        handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        signal.setitimer(signal.ITIMER_REAL, 0.4)
        started = time.monotonic()
        results = judged(pool, ["spin", *MIXED], deadline=0.7)
        assert results[0].verdict is Verdict.TIMED_OUT and equals(results[1:]) == EXPECTED
        assert len(rung) == 1 and 0.35 < rung[0] - started < 0.65
        assert handlers == {number: signal.getsignal(number) for number in signal.valid_signals()}
        assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_signals_that_the_host_blocks_or_ignores_still_end_a_worker(own_pool: Pool) -> None:
    before = signal.signal(signal.SIGPROF, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF})
    try:
        assert judged(own_pool, ["spin"], deadline=0.2)[0].reason == "deadline"
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGPROF, before)


def _in_child(sender: object, inherited: Pool | None) -> None:
    pool = inherited or Pool(HARMFUL, workers=1)
    sender.send((equals(judged(pool, ["exit 1", *MIXED])), template_pid(pool)))  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("daemon", [False, True])
def test_children_of_the_host_have_their_own(pool: Pool, method: str, daemon: bool) -> None:
    judged(pool, MIXED)
    mine = family(template_pid(pool))
    context = multiprocessing.get_context(method)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_in_child, args=(sender, pool if method == "fork" else None), daemon=daemon)
    child.start()
    assert receiver.poll(60)
    values, template = receiver.recv()
    child.join(timeout=20)
    assert child.exitcode == 0
    assert values == [False, *EXPECTED] and template not in mine
    assert wait_until(lambda: not alive(template))
    assert family(template_pid(pool)) == mine
    assert equals(judged(pool, MIXED)) == EXPECTED


def test_a_fork_while_another_thread_is_in_a_call(pool: Pool) -> None:
    judged(pool, [GOLD] * 20)
    busy = threading.Thread(target=judged, args=(pool, ["work 0.05"] * 20))
    busy.start()
    child = os.fork()
    if child == 0:
        os._exit(0 if equals(judged(pool, MIXED)) == EXPECTED else 1)
    assert wait_until(lambda: not alive(child), 20)
    assert os.waitpid(child, 0)[1] == 0
    busy.join(timeout=20)
    assert equals(judged(pool, MIXED)) == EXPECTED


def test_a_judge_that_cannot_be_loaded_says_why() -> None:
    for name, message in (
        ("tests.rewards.math.harmful_judges:broken", "LookupError: broken from the start"),
        ("tests.rewards.math.no_such_module:judge", "No module named 'tests.rewards.math.no_such_module'"),
        ("tests.rewards.math.harmful_judges:missing", "no attribute 'missing'"),
    ):
        pool = Pool(name, workers=1)
        with pytest.raises(PoolError, match=f"(?s){name}.*cannot be loaded.*{message}"):
            judged(pool, [GOLD])
        pool.close()


def test_closed_is_closed(own_pool: Pool) -> None:
    judged(own_pool, MIXED)
    members = family(template_pid(own_pool))
    own_pool.close()
    assert wait_until(lambda: not any(alive(pid) for pid in members))
    with pytest.raises(PoolError, match="closed"):
        judged(own_pool, [GOLD])
    own_pool.close()
    with pytest.raises(ValueError, match="workers 0 must be at least 1"):
        Pool(HARMFUL, workers=0)


def test_closing_ends_a_call_that_runs(own_pool: Pool) -> None:
    judged(own_pool, [GOLD])
    outcome: list[type[BaseException]] = []

    def call() -> None:
        try:
            judged(own_pool, ["sleep 100"], deadline=100.0)
        except PoolError as error:
            outcome.append(type(error))

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.2)
    own_pool.close()
    thread.join(timeout=10)
    assert outcome == [PoolError]
