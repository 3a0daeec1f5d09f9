"""`verify_batch`: is the answer in each text equal to its gold?"""

from __future__ import annotations

from collections.abc import Sequence

from grpo.rewards.math.cache import Key, VerdictCache
from grpo.rewards.math.pool import Pool, Work
from grpo.rewards.math.result import Result, Verdict
from grpo.rewards.text import THINK_CLOSE

MODES = ("lenient", "strict")
JUDGE = "grpo.rewards.math.judge:judge"
MAX_TEXT_CHARACTERS = 1_000_000
"""A text longer than this behind its reasoning is unparsable, reason `too_long`, and never sent to a worker."""
DEADLINE_SECONDS, MAX_DEADLINE_SECONDS = 1.0, 3600.0

_cache = VerdictCache()
_pool = Pool(JUDGE)


def verify_batch(
    golds: Sequence[str],
    texts: Sequence[str],
    *,
    mode: str = "lenient",
    deadline_seconds: float = DEADLINE_SECONDS,
) -> list[Result]:
    """Judge `texts[i]`, a completion, against `golds[i]`, a bare answer; one result each, in order.

    Runs in worker processes that are started on first use and shared by all threads, and blocks until the last result
    (with asyncio: `await asyncio.to_thread(verify_batch, golds, texts)`). `deadline_seconds` is CPU time of one item;
    a worker past it is killed, and the item's verdict is `timed_out`. One that kills its worker twice is an `error`.
    Equal items are judged once, verdicts are remembered until `clear_caches`, timeouts and errors are not.
    `Result.milliseconds` is the wall time of the judgement in its worker, also when it was remembered.

    Raises:
        ValueError: the lists differ in length, hold something else than text, or mode or deadline are not valid.
        PoolError: the worker processes cannot be started.
    """
    _check(golds, texts, mode, deadline_seconds)
    keys: list[Key] = [(gold, after_reasoning(text), mode) for gold, text in zip(golds, texts, strict=True)]
    results = _cache.known(dict.fromkeys(keys))
    unknown = [key for key in dict.fromkeys(keys) if key not in results]
    results |= {key: _TOO_LONG for key in unknown if len(key[1]) > MAX_TEXT_CHARACTERS}
    sent = [key for key in unknown if key not in results]
    work = Work(items=[(gold, text) for gold, text, _ in sent], mode=mode, deadline_seconds=deadline_seconds)
    judged = list(zip(sent, _pool.judge_all(work), strict=True))
    _cache.keep(judged)
    results.update(judged)
    return [results[key] for key in keys]


def verify(gold: str, text: str, *, mode: str = "lenient", deadline_seconds: float = DEADLINE_SECONDS) -> Result:
    """`verify_batch` for one item; batches are far cheaper."""
    return verify_batch([gold], [text], mode=mode, deadline_seconds=deadline_seconds)[0]


def after_reasoning(text: str) -> str:
    """`text` from its last `</think>` on, the tag included, or all of it: nothing before it is ever an answer."""
    closed = text.rfind(THINK_CLOSE)
    return text[closed:] if closed > 0 else text


def start() -> None:
    """Start the pool now: the first call then costs no second of imports. Raises PoolError."""
    _pool.start()


def close() -> None:
    """End the worker processes; a later call starts new ones. Calls that still run raise PoolError."""
    global _pool
    old, _pool = _pool, Pool(JUDGE)
    old.close()


def clear_caches() -> None:
    """Forget all verdicts."""
    _cache.clear()


_TOO_LONG = Result(
    equal=False, verdict=Verdict.UNPARSABLE, extracted=None, reason="too_long", path="extraction", milliseconds=0.0
)


def _check(golds: Sequence[str], texts: Sequence[str], mode: str, deadline_seconds: float) -> None:
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is none of {', '.join(MODES)}")
    if not 0 < deadline_seconds <= MAX_DEADLINE_SECONDS:
        raise ValueError(f"deadline_seconds {deadline_seconds} must lie above 0 and up to {MAX_DEADLINE_SECONDS:g}")
    for name, values in (("golds", golds), ("texts", texts)):
        if isinstance(values, str):
            raise ValueError(f"{name} is a text; give a list of texts, or call verify for one item")
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise ValueError(f"{name}[{index}] is {type(value).__name__} {str(value)[:80]!r}, not text")
    if len(golds) != len(texts):
        raise ValueError(f"{len(golds)} golds for {len(texts)} texts: give one gold for each text")
