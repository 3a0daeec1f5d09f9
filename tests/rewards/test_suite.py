from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from grpo.rewards.runners import InProcessOverrunError
from grpo.rewards.suite import RewardErrorShareError, RewardSuite, build_suite
from grpo.types import RewardItem, Score

MakeItem = Callable[..., RewardItem]
RIGHT = "<think>3+4</think><answer>7</answer>"


@contextmanager
def suite_of(
    functions: Sequence[str], weights: Sequence[float] | None = None, **settings: Any
) -> Iterator[RewardSuite]:
    suite = build_suite(functions, weights or [1.0] * len(functions), **settings)
    try:
        yield suite
    finally:
        suite.close()


def test_weighted_sum_keeps_raw_values_and_groups(item: MakeItem) -> None:
    with suite_of(["exact_integer", "think_answer_format"], [1.0, 0.1]) as suite:
        scores = suite.score([[item(RIGHT), item("<answer>7</answer>")], [], [item("")]])
    assert scores == [
        [Score(total=1.1, parts=(1.0, 1.0)), Score(total=1.0, parts=(1.0, 0.0))],
        [],
        [Score(total=0.0, parts=(0.0, 0.0))],
    ]
    assert suite.labels == ("exact_integer", "think_answer_format")
    assert suite.counters["exact_integer"].calls == 1


def test_no_items_no_calls(user_file: str) -> None:
    with suite_of([f"{user_file}:length"]) as suite:
        assert suite.score([]) == []
        assert suite.score([[], []]) == [[], []]
        assert suite.counters["length"].calls == 0


@pytest.mark.parametrize(
    ("functions", "settings", "message"),
    [
        (["exact_integer"], {"weights": [1.0, 2.0]}, "1 reward.functions and 2 reward.weights"),
        ([], {"weights": []}, "0 reward.functions"),
        (["exact_integer", "exact_integer"], {"weights": [1.0, 1.0]}, "exact_integer more than once"),
        (["exact_integer"], {"weights": [math.nan]}, "finite"),
        (["exact_integer"], {"weights": [1.0], "deadline_seconds": 0.0}, "deadline_seconds 0.0"),
        (["exact_integer"], {"weights": [1.0], "max_error_share": 1.5}, "max_error_share 1.5"),
        (["exact_intege"], {"weights": [1.0]}, "did you mean 'exact_integer'"),
        (["no_such_package.fn"], {"weights": [1.0]}, "no module 'no_such_package'"),
    ],
)
def test_wrong_settings_fail_at_build(functions: list[str], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_suite(functions, **settings)


@pytest.mark.parametrize("in_process", [False, True])
def test_rewards_in_trl_style(item: MakeItem, user_file: str, in_process: bool) -> None:
    chat = ({"role": "user", "content": "2+5="},)
    with suite_of([f"{user_file}:matches_solution"], [2.0], in_process=in_process) as suite:
        scores = suite.score([[item("7", prompt=chat, solution="7"), item("8", prompt=chat, solution="7")]])
        assert [score.total for score in scores[0]] == [2.0, 0.0]
        assert suite.metrics == {"matched": 0.5}
        assert suite.extra == {"wanted": ["7", "7"]}
    with suite_of([f"{user_file}:length", f"{user_file}:only_short"], [1.0, 10.0], in_process=in_process) as suite:
        scores = suite.score([[item("abc", ids=(1, 2)), item("abcd", ids=(1, 2, 3))]], step=4)
        assert scores == [[Score(total=43.0, parts=(3.0, 4.0)), Score(total=4.0, parts=(4.0, None))]]


@pytest.mark.parametrize("in_process", [False, True])
def test_async_rewards_keep_one_event_loop(item: MakeItem, user_file: str, in_process: bool) -> None:
    with suite_of([f"{user_file}:same_loop"], in_process=in_process) as suite:
        assert [suite.score([[item("a")]])[0][0].total for _ in range(3)] == [1.0, 1.0, 1.0]


def test_a_column_that_is_missing_is_named(item: MakeItem, user_file: str) -> None:
    message = r"needs \['solution'\], but the data has only .*'answer'"
    with suite_of([f"{user_file}:matches_solution"]) as suite, pytest.raises(ValueError, match=message):
        suite.score([[item("7")]])


def test_a_column_json_cannot_express_is_named(item: MakeItem, user_file: str) -> None:
    with suite_of([f"{user_file}:length"]) as suite:
        with pytest.raises(ValueError, match=r"column 'picture' cannot be sent .*in_process=true"):
            suite.score([[item("7", picture=object())]])
        assert suite.score([[item("ab")]])[0][0].total == 2.0
    with suite_of([f"{user_file}:length"], in_process=True) as suite:
        assert suite.score([[item("abc", picture=object())]])[0][0].total == 3.0


@pytest.mark.parametrize("in_process", [False, True])
@pytest.mark.parametrize(
    ("function", "reason"),
    [("fails_on_bad", "ZeroDivisionError: .*user_rewards.py:"), ("exits_on_bad", "SystemExit: no")],
)
def test_a_raising_function_costs_only_the_completion_at_fault(
    item: MakeItem, user_file: str, in_process: bool, function: str, reason: str
) -> None:
    with suite_of([f"{user_file}:{function}", "exact_integer"], [1.0, 0.5], in_process=in_process) as suite:
        scores = suite.score([[item("a"), item("b")], [item("bad"), item("c")], [item("d")]])
        counters = suite.counters[function]
    totals = [[score.total for score in group] for group in scores]
    assert totals == [[1.0, 1.0], [None, 1.0], [1.0]]
    failed = scores[1][0]
    assert failed.parts == (None, 0.0)
    assert failed.error is not None and failed.error.startswith(f"{function}: ")
    assert re.search(reason, failed.error)
    assert (counters.calls, counters.errors) == (1 + 3 + 2, 1)  # the batch, its groups, the items of the failed group


def test_a_group_of_one_is_not_repeated_as_an_item(item: MakeItem, user_file: str) -> None:
    with suite_of([f"{user_file}:fails_on_bad"]) as suite:
        suite.score([[item("bad")], [item("a"), item("b")]])
        assert suite.counters["fails_on_bad"].calls == 1 + 2
        suite.score([[item("bad")]])
        assert suite.counters["fails_on_bad"].calls == 3 + 1


def test_wrong_length_and_wrong_type_are_errors(item: MakeItem, user_file: str) -> None:
    with suite_of([f"{user_file}:one_too_few", f"{user_file}:not_a_list"]) as suite:
        [[score, _]] = suite.score([[item("a"), item("b")]])
    assert score.total is None and score.parts == (None, None)
    assert score.error == (
        "one_too_few: returned 0 values for 1 completions; not_a_list: returned float, not a list of 1 numbers"
    )


@pytest.mark.parametrize("in_process", [False, True])
def test_odd_values_are_errors_of_their_completion_alone(item: MakeItem, user_file: str, in_process: bool) -> None:
    words = ["nan", "inf", "str", "none", "bool", "huge", "fine"]
    with suite_of([f"{user_file}:odd_values"], in_process=in_process) as suite:
        [scores] = suite.score([[item(word) for word in words]])
        assert suite.counters["odd_values"].calls == 1
    assert [score.total for score in scores] == [None, None, None, 0.0, 1.0, None, 2.0]
    assert [score.error for score in scores] == [
        "odd_values: returned nan",
        "odd_values: returned inf",
        "odd_values: returned str '0.5', not a number",
        None,
        None,
        "odd_values: returned inf",
        None,
    ]
    assert scores[3].parts == (None,)


def test_a_hanging_function_costs_only_the_completion_at_fault(item: MakeItem, user_file: str) -> None:
    started = time.monotonic()
    with suite_of([f"{user_file}:hangs_on_bad"], deadline_seconds=0.5) as suite:
        scores = suite.score([[item("bad"), item("b")], [item("c")]])
        assert [[score.total for score in group] for group in scores] == [[None, 1.0], [1.0]]
        assert "took longer than 0.5 s; it printed:" in str(scores[0][0].error)
        assert "about to hang" in str(scores[0][0].error)
        assert suite.score([[item("fine")]])[0][0].total == 1.0
    assert time.monotonic() - started < 20


def test_many_hanging_completions_stop_at_the_budget(item: MakeItem, user_file: str) -> None:
    with suite_of([f"{user_file}:hangs_on_bad"], deadline_seconds=0.2) as suite:
        scores = suite.score([[item("bad")] for _ in range(20)])
        assert all(group[0].total is None for group in scores)
        assert suite.counters["hangs_on_bad"].calls <= 6
        assert "not tried, earlier calls" in str(scores[-1][0].error)


def test_an_overrun_in_process_ends_the_run(item: MakeItem, user_file: str) -> None:
    message = r"took longer than 0.2 s inside this process"
    with (
        suite_of([f"{user_file}:sleeps"], in_process=True, deadline_seconds=0.2) as suite,
        pytest.raises(InProcessOverrunError, match=message),
    ):
        suite.score([[item("a")]])


def test_too_many_errors_stop_the_run(item: MakeItem, user_file: str) -> None:
    with suite_of([f"{user_file}:fails_on_bad"], max_error_share=0.25) as suite:
        suite.score([[item("bad"), item("b"), item("c"), item("d")]])
        with pytest.raises(RewardErrorShareError, match=r"2 of 4 completions .*=0.25:\n  fails_on_bad: Zero"):
            suite.score([[item("bad"), item("bad"), item("c"), item("d")]])


def test_labels_stay_apart(tmp_path: Any, user_file: str) -> None:
    other = tmp_path / "other.py"
    other.write_text("def length(completions, **kwargs): return [0.0] * len(completions)\n")
    with suite_of([f"{user_file}:length", f"{other}:length"]) as suite:
        assert suite.labels == (f"{user_file}:length", f"{other}:length")


def test_in_process_means_this_process(item: MakeItem, user_file: str) -> None:
    with suite_of([f"{user_file}:process_id"], in_process=True) as suite:
        assert suite.score([[item("a")]])[0][0].total == os.getpid()
    with suite_of([f"{user_file}:process_id"]) as suite:
        assert suite.score([[item("a")]])[0][0].total != os.getpid()
