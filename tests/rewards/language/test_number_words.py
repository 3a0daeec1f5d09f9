"""Sums in words: short texts whose words are shared between languages, and Chinese of a few letters."""

from __future__ import annotations

import pytest

from grpo.config.slices import ArithmeticConfig
from grpo.data.arithmetic import training_problems
from grpo.rewards.language import target_share
from grpo.rewards.language.reward import LanguageConsistency


def reward(problems: list[tuple[str, str]], min_words: float = 3.0) -> list[float | None]:
    """Of (completion, language) pairs."""
    texts, languages = [text for text, _ in problems], [language for _, language in problems]
    return LanguageConsistency(column="language", min_words=min_words)(
        prompts=["?"] * len(texts), completions=texts, language=languages
    )


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("six plus zero is six; six minus six is zero", {"en": 1.0, "fr": 0.0, "zh": 0.0}),
        ("zero plus one is one", {"en": 1.0}),
        ("six plus six font douze; douze moins onze font un", {"fr": 1.0, "en": 0.0}),
        ("sechs plus elf ist siebzehn; siebzehn minus sechs ist elf", {"de": 1.0, "en": 0.0}),
        ("七加五等于十二", {"zh": 1.0, "en": 0.0}),
        # five words, and seven letters of 0.6 words: 5 / 9.2
        ("seven plus five is twelve；十二减三等于九", {"en": 5 / 9.2, "zh": 4.2 / 9.2}),
        # seven words, and eight letters: 7 / 11.8
        ("minus eight minus fifteen is minus eight；负八减十五等于八", {"en": 7 / 11.8, "zh": 4.8 / 11.8}),
        ("二十三加五等于二十八; twenty-eight minus five is twenty-three", {"zh": 6.0 / 13, "en": 7 / 13}),
    ],
)
def test_shares_by_hand(text: str, share: dict[str, float]) -> None:
    assert {language: target_share(text, language) for language in share} == pytest.approx(share)


@pytest.mark.parametrize(("operands", "largest"), [(2, 20), (3, 9), (3, 99), (4, 7)])
def test_every_demonstration_in_one_language_has_the_whole_reward(operands: int, largest: int) -> None:
    config = ArithmeticConfig(
        operands=operands, largest_operand=largest, operators="+-*", problems=1000, held_out=10, languages=["en", "zh"]
    )
    problems = training_problems(config)
    found = reward([(str(p.demonstration), p.columns["language"]) for p in problems])
    assert [p.demonstration for p, value in zip(problems, found, strict=True) if value != 1.0] == []


def test_mixed_demonstrations_have_the_share_of_their_words() -> None:
    """Counted anew: a word of Latin letters is 1, a Han letter 0.6."""
    config = ArithmeticConfig(operands=3, largest_operand=30, problems=500, languages=["en", "zh"], mixed_steps=0.5)
    problems = training_problems(config)
    found = reward([(str(p.demonstration), p.columns["language"]) for p in problems])
    wanted = []
    for problem in problems:
        body = str(problem.demonstration).removeprefix("<think>").partition("</think>")[0]
        latin = len("".join(c if c.isascii() and c.isalpha() else " " for c in body).split())
        han = 0.6 * sum("\u4e00" <= c <= "\u9fff" for c in body)
        wanted.append((latin if problem.columns["language"] == "en" else han) / (latin + han))
    assert found == pytest.approx(wanted)
    assert min(wanted) == 0.0 and max(wanted) == 1.0 and 0.4 < sum(wanted) / len(wanted) < 0.6


def test_the_language_of_a_question_in_words_is_seen_without_a_column() -> None:
    values = LanguageConsistency(min_words=3)(
        prompts=["What is seven plus five?", "七加五等于多少？"],
        completions=["<think>seven plus five is twelve</think>", "<think>seven plus five is twelve</think>"],
    )
    assert values == [1.0, 0.0]
