"""Which held-out problems were trained on."""

from __future__ import annotations

import pytest

from grpo.config.slices import ArithmeticConfig, DataConfig
from grpo.data.arithmetic import held_out_problems, training_problems
from grpo.data.contamination import HeldOut, compared_words, contamination
from grpo.types import Message, Problem

LONG = "A farmer has twelve cows and sells three of them to his neighbour in May"


def problem(prompt: str | tuple[Message, ...]) -> Problem:
    return Problem(id=str(prompt), prompt=prompt, answer="1")


def test_ten_words_in_a_row() -> None:
    """`has twelve ... neighbour` are ten words and more; nine of them are not enough."""
    held = [problem(LONG), problem("Today " + LONG.split(" to ")[0].removeprefix("A farmer "))]
    found = contamination(held, [problem("Yesterday a FARMER has twelve cows, and sells three of them. Why?")])
    assert found.overlapping == (True, False) and found.exact == (False, False)
    # a farmer has twelve cows and sells three of = 9 words
    assert contamination(held[:1], [problem("a farmer has twelve cows and sells three of")]).contaminated == (False,)


def test_short_prompts_match_whole() -> None:
    held = [problem("7+5-3="), problem("7-5+3="), problem("What is 7 + 5?")]
    found = contamination(held, [problem("7-5+3="), problem("what is  7 + 5?\n")])
    assert found.exact == (False, True, True) and found.overlapping == (False, False, False)


def test_chat_prompts_count_without_their_system_message() -> None:
    system: Message = {"role": "system", "content": "You answer with one number and you show all of your work first"}
    held = [problem((system, {"role": "user", "content": LONG})), problem((system, {"role": "user", "content": "5?"}))]
    found = contamination(held, [problem((system, {"role": "user", "content": "9?"})), problem("So: " + LONG)])
    assert found.contaminated == (True, False)


def test_chinese_characters_are_words() -> None:
    found = contamination([problem("一个农夫有十二头牛卖掉三头")], [problem("从前一个农夫有十二头牛卖掉了")])
    assert found.overlapping == (True,)


def test_what_many_held_out_problems_share_is_their_wording() -> None:
    ask = "Please reason step by step and put the final answer in a box: "
    held = [problem(f"{ask}{number}?") for number in range(30)]
    assert not any(contamination(held, [problem(f"{ask}99?")]).contaminated)
    assert contamination([*held, problem(LONG)], [problem(LONG + "!")]).overlapping[-1]


def test_the_embedded_task_holds_out_cleanly() -> None:
    config = ArithmeticConfig(operands=3, problems=400, held_out=64)
    held, training = held_out_problems(config), training_problems(config)
    assert not any(contamination(held, training).contaminated)
    assert sum(contamination(held, [*training, held[3], held[5]]).exact) == 2


def test_sums_in_words_share_words_and_no_problem() -> None:
    """Of five operands, in Chinese, more than ten characters in a row are those of another sum."""
    config = ArithmeticConfig(operands=5, problems=2000, held_out=100, languages=["zh"])
    held, training = held_out_problems(config), training_problems(config)
    assert sum(contamination(held, training).overlapping) > 0
    words = compared_words(DataConfig(source="arithmetic"), "base")
    found = contamination(held, training, words)
    assert not any(found.contaminated) and found.summary([1.0] * 100)["ngram_words"] is None
    assert contamination(held, [*training, held[3]], words).exact[3]


def test_n_is_of_files_alone() -> None:
    assert compared_words(DataConfig(source="arithmetic"), "rejection") == 10
    assert compared_words(DataConfig(source="files"), "base", 8) == 8


def test_accuracy_with_and_without_what_was_found() -> None:
    found = contamination([problem("1?"), problem("2?"), problem("3?"), problem("4?")], [problem("2?")])
    entry = found.summary([1.0, 1.0, 0.0, 0.5])
    assert entry["share"] == entry["exact"] == 0.25 and entry["ngram"] == 0.0
    assert entry["accuracy_contaminated"] == 1.0 and entry["accuracy_clean"] == pytest.approx(0.5)
    assert contamination([problem("1?")], []).summary([1.0])["accuracy_contaminated"] is None


def test_n_is_the_callers() -> None:
    """`a farmer has twelve cows and sells three` are 8 words, 7 of them without the article."""
    eight, seven = (
        problem("A farmer has twelve cows and sells three!"),
        problem("Her farmer has twelve cows and sells three"),
    )
    assert eight in HeldOut([problem(LONG)], 8) and seven not in HeldOut([problem(LONG)], 8)
    assert seven in HeldOut([problem(LONG)], 7) and eight not in HeldOut([problem(LONG)])


def test_without_n_whole_texts_are_compared() -> None:
    held = HeldOut([problem(LONG)], None)
    assert problem(f" {LONG.upper()}\n") in held and problem(LONG + "!") not in held
    assert problem("x") not in HeldOut([], 8)
