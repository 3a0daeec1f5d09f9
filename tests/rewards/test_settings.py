from __future__ import annotations

from contextlib import closing

import pytest

from grpo.rewards.registry import resolve
from grpo.rewards.suite import build_suite
from tests.rewards.test_suite import MakeItem


def totals(
    functions: list[str], groups: list[list[str]], item: MakeItem, **settings: object
) -> list[list[float | None]]:
    with closing(build_suite(functions, [1.0] * len(functions), **settings)) as suite:  # type: ignore[arg-type]
        scores = suite.score([[item(text, limit=0) for text in group] for group in groups])
    return [[score.total for score in group] for group in scores]


@pytest.mark.parametrize("in_process", [False, True])
def test_settings_reach_classes_and_functions(item: MakeItem, user_file: str, in_process: bool) -> None:
    functions = [f"{user_file}:Scaled", f"{user_file}:longer_than", f"{user_file}:later"]
    settings = {"Scaled": {"scale": 10.0}, "longer_than": {"limit": 3}, "later": {"bonus": 100}}
    found = totals(functions, [["abc", "abcd"]], item, settings=settings, in_process=in_process)
    assert found == [[110.0, 111.0]]


def test_a_setting_wins_over_a_column_of_the_same_name(item: MakeItem, user_file: str) -> None:
    """Every row has a column `limit`, of which the function makes nothing: it gets the list of its values."""
    assert totals([f"{user_file}:longer_than"], [["ab"]], item) == [[None]]
    assert totals([f"{user_file}:longer_than"], [["ab"]], item, settings={"longer_than": {"limit": 2}}) == [[0.0]]


def test_settings_that_nothing_takes(user_file: str) -> None:
    with pytest.raises(ValueError, match=r"has no setting 'scael'; did you mean 'scale'\? \(valid: scale\)"):
        resolve(f"{user_file}:Scaled", {"scael": 1})
    with pytest.raises(ValueError, match=r"has no setting 'answer' \(valid: limit\)"):
        resolve(f"{user_file}:longer_than", {"answer": "1"})
    with pytest.raises(ValueError, match=r"settings \{'scale': -1\}: scale -1 must be 0 or more"):
        resolve(f"{user_file}:Scaled", {"scale": -1})
    with pytest.raises(ValueError, match=r"'exact_integer' has no setting 'x' \(valid: none\)"):
        resolve("exact_integer", {"x": 1})
    with pytest.raises(ValueError, match=r"reward.settings.scaled: no such reward; valid are Scaled"):
        build_suite([f"{user_file}:Scaled"], [1.0], settings={"scaled": {}})


def test_a_worker_says_what_is_wrong_with_a_setting(user_file: str) -> None:
    with pytest.raises(ValueError, match="scale -1 must be 0 or more"):
        build_suite([f"{user_file}:Scaled"], [1.0], settings={"Scaled": {"scale": -1}})


@pytest.mark.parametrize("in_process", [False, True])
def test_a_group_reward_sees_one_whole_group(item: MakeItem, user_file: str, in_process: bool) -> None:
    groups = [["aaa", "a", "aa"], ["b"], [], ["cc", "ccc"]]
    expected = [[2.0, 0.0, 1.0], [0.0], [], [0.0, 1.0]]
    assert totals([f"{user_file}:rank"], groups, item, in_process=in_process) == expected
    turned = [[0.0, 2.0, 1.0], [0.0], [], [1.0, 0.0]]
    settings = {"Rank": {"from_end": True}}
    assert totals([f"{user_file}:Rank"], groups, item, in_process=in_process, settings=settings) == turned


def test_a_failing_group_is_an_error_as_a_whole_and_is_not_cut(item: MakeItem, user_file: str) -> None:
    with closing(build_suite([f"{user_file}:Rank"], [1.0])) as suite:
        scores = suite.score([[item("a"), item("aa")], [item("b"), item("bad")]])
        assert [score.total for score in scores[0]] == [0.0, 1.0]
        assert [score.total for score in scores[1]] == [None, None]
        assert all("a bad group" in str(score.error) for score in scores[1])
        assert suite.counters["Rank"].calls == 2
