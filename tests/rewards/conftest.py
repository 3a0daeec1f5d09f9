from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grpo.types import Message, Problem, RewardItem

USER_REWARDS = '''
import asyncio
import os
import sys
import time

from grpo.rewards import per_group

print("printed while importing")


def length(completions, **kwargs):
    """TRL style: any column may come, none is needed."""
    print("printed to stdout")
    os.system("echo printed by a child process")
    return [float(len(text)) for text in completions]


def matches_solution(prompts, completions, solution, log_extra=None, log_metric=None, **kwargs):
    """TRL style: conversational, with a column of the data and both logs."""
    texts = [messages[0]["content"] for messages in completions]
    assert all(turn[-1]["role"] == "user" for turn in prompts)
    values = [1.0 if text == wanted else 0.0 for text, wanted in zip(texts, solution)]
    log_extra("wanted", list(solution))
    log_metric("matched", sum(values) / len(values))
    return values


async def only_short(completions, completion_ids, trainer_state, **kwargs):
    """TRL style: async, None where it does not apply, and the trainer's state."""
    assert set(kwargs) == {"prompts", "answer"}, sorted(kwargs)
    await asyncio.sleep(0)
    return [float(trainer_state.global_step) if len(ids) < 3 else None for ids in completion_ids]


def prints_a_lot(completions, **kwargs):
    print("x" * 300_000)
    if "fail" in completions:
        raise ValueError("at last")
    return [1.0] * len(completions)


FIRST_LOOP = []


async def same_loop(completions, **kwargs):
    """As an async reward with an open connection needs it."""
    FIRST_LOOP.append(asyncio.get_running_loop())
    return [float(FIRST_LOOP[0] is FIRST_LOOP[-1] and not FIRST_LOOP[0].is_closed())] * len(completions)


def fails_on_bad(completions, **kwargs):
    return [1 / (0 if "bad" in text else 1) for text in completions]


def hangs_on_bad(completions, **kwargs):
    print("about to hang")
    while any("bad" in text for text in completions):
        time.sleep(0.01)
    return [1.0] * len(completions)


def sleeps(completions, **kwargs):
    time.sleep(1.0)
    return [1.0] * len(completions)


def dies_on_bad(completions, **kwargs):
    if any("bad" in text for text in completions):
        print("last words", file=sys.stderr)
        os._exit(3)
    return [1.0] * len(completions)


def exits_on_bad(completions, **kwargs):
    if any("bad" in text for text in completions):
        sys.exit("no")
    return [1.0] * len(completions)


def one_too_few(completions, **kwargs):
    return [1.0] * (len(completions) - 1)


def odd_values(completions, **kwargs):
    table = {"nan": float("nan"), "inf": float("inf"), "str": "0.5", "none": None, "bool": True, "huge": 10**400}
    return [table.get(text, 2.0) for text in completions]


def not_a_list(completions, **kwargs):
    return 1.0


def stdin_and_protocol(completions, **kwargs):
    """Tries to read the requests and to answer in the protocol's place."""
    os.write(1, b'{"id": 1, "values": [99.0]}\\n')
    return [float(len(sys.stdin.read()))] * len(completions)


def environment(completions, **kwargs):
    return [float("CANARY_API_KEY" in os.environ), float("CANARY_PLAIN" in os.environ)]


def process_id(completions, **kwargs):
    return [float(os.getpid())] * len(completions)


KEPT = []


def leaks(completions, **kwargs):
    KEPT.append(b"x" * (8 << 20))
    return [float(len(KEPT))] * len(completions)


class Scaled:
    def __init__(self, *, scale=0.25):
        if scale < 0:
            raise ValueError(f"scale {scale} must be 0 or more")
        self.scale = scale

    def __call__(self, completions, **kwargs):
        return [self.scale] * len(completions)


def longer_than(completions, limit=2, **columns):
    return [float(len(text) > limit) for text in completions]


async def later(completions, bonus):
    return [float(bonus)] * len(completions)


@per_group
def rank(completions, **kwargs):
    """Place in the order of lengths within the group."""
    return [float(sorted(completions, key=len).index(text)) for text in completions]


@per_group
class Rank:
    def __init__(self, *, from_end=False):
        self.from_end = from_end

    def __call__(self, completions):
        if "bad" in completions:
            raise ValueError("a bad group")
        ranks = rank(completions)
        return [len(completions) - 1 - place for place in ranks] if self.from_end else ranks


NOT_CALLABLE = 3
'''


@pytest.fixture
def user_file(tmp_path: Path) -> str:
    path = tmp_path / "user_rewards.py"
    path.write_text(USER_REWARDS)
    return str(path)


@pytest.fixture
def item() -> Callable[..., RewardItem]:
    def make(
        text: str,
        answer: str = "7",
        prompt: str | tuple[Message, ...] = "p",
        ids: tuple[int, ...] = (1,),
        **columns: object,
    ) -> RewardItem:
        problem = Problem(id="x", prompt=prompt, answer=answer, columns=columns)
        return RewardItem(problem=problem, completion=text, completion_ids=ids, finish_reason="stop")

    return make
