from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grpo.data.cursor import ProblemCursor
from grpo.run.state import PartState
from grpo.types import Problem


def problems(count: int) -> list[Problem]:
    return [Problem(id=f"train/{n}", prompt="p", answer="1") for n in range(count)]


def ids(taken: list[Problem]) -> list[str]:
    return [problem.id for problem in taken]


@given(count=st.integers(1, 12), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_every_epoch_is_a_permutation_whatever_the_batches(count: int, sizes: list[int]) -> None:
    cursor = ProblemCursor(problems(count), [0, "rl1"])
    batches = [ids(cursor.take(size)) for size in sizes]
    assert [len(batch) for batch in batches] == sizes
    stream = [name for batch in batches for name in batch]
    for start in range(0, len(stream), count):
        epoch = stream[start : start + count]
        assert max(Counter(epoch).values()) == 1
    assert stream == ids(ProblemCursor(problems(count), [0, "rl1"]).take(len(stream)))


@given(count=st.integers(1, 9), before=st.integers(0, 25), after=st.integers(1, 25))
def test_a_resumed_cursor_goes_on_as_if_nothing_had_happened(count: int, before: int, after: int) -> None:
    unbroken = ProblemCursor(problems(count), [3, "rl1"])
    if before:
        unbroken.take(before)
    saved = PartState(values=json.loads(json.dumps(dict(unbroken.state().values))))
    resumed = ProblemCursor(problems(count), [3, "rl1"])
    resumed.load_state(saved)
    assert ids(resumed.take(after)) == ids(unbroken.take(after))
    assert resumed.state().values == unbroken.state().values


def test_orders_differ_between_epochs_seeds_and_stages() -> None:
    first = ProblemCursor(problems(50), [0, "rl1"])
    orders = [ids(first.take(50)), ids(first.take(50))]
    orders += [ids(ProblemCursor(problems(50), keys).take(50)) for keys in ([1, "rl1"], [0, "rl2"])]
    assert len({tuple(order) for order in orders}) == 4


def test_the_order_is_fixed_for_good() -> None:
    """Golden values from the formula written out elsewhere: a change here changes every seeded run."""
    golden = [f"train/{n}" for n in [3, 2, 0, 1, 4, 5, 1, 5]]
    assert ids(ProblemCursor(problems(6), [0, "rl1"]).take(8)) == golden


def test_state_counts_epoch_and_position() -> None:
    cursor = ProblemCursor(problems(4), [0])
    cursor.take(6)
    assert {key: cursor.state().values[key] for key in ("epoch", "position")} == {"epoch": 1, "position": 2}


def test_misuse() -> None:
    with pytest.raises(ValueError, match="no problems"):
        ProblemCursor([], [0])
    with pytest.raises(ValueError, match="cannot take 0"):
        ProblemCursor(problems(2), [0]).take(0)
    with pytest.raises(ValueError, match="belongs to other problems than these 3"):
        ProblemCursor(problems(3), [0]).load_state(ProblemCursor(problems(2), [0]).state())
