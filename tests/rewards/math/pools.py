"""What the tests of the pool share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from grpo.rewards.math.pool import Pool, Work
from grpo.rewards.math.result import Result

HARMFUL = "tests.rewards.math.harmful_judges:judge"
GOLD = "right"


def judged(pool: Pool, texts: list[str], *, deadline: float = 1.0, mode: str = "lenient") -> list[Result]:
    """Results of texts whose gold is `right`."""
    return pool.judge_all(Work(items=[(GOLD, text) for text in texts], mode=mode, deadline_seconds=deadline))


def told(pool: Pool, what: str) -> str:
    """What a worker says about itself, see `harmful_judges.tell`."""
    [result] = judged(pool, [f"tell {what}"])
    assert result.extracted is not None, result
    return result.extracted


def template_pid(pool: Pool) -> int:
    assert pool._template is not None
    return pool._template._process.pid


def family(pid: int) -> list[int]:
    """A process and its children, as far as they live."""
    return [one for one in (pid, *children(pid)) if alive(one)]


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in listed.read_text().split()] if listed.exists() else []


def alive(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()
