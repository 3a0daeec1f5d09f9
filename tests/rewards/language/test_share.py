from __future__ import annotations

import time
from collections import defaultdict

import pytest

from grpo.rewards.language import target_share
from tests.rewards.language import mixtures

LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ko", "ru", "sw", "te", "th", "zh")
EN = "First I need to know how many bags she takes home, so I divide twelve by four."
ES = "Primero necesito saber cuántas bolsas lleva a casa, así que divido doce entre cuatro."
ZH = "首先我需要知道她带回家多少袋，所以我用十二除以四。"


def test_unknown_languages_are_named() -> None:
    with pytest.raises(ValueError, match=f"'xx' is not supported; choose one of {', '.join(LANGUAGES)}"):
        target_share(EN, "xx")


@pytest.mark.parametrize(
    "text", ["", " \n", "12 + 3 = 15", "a, b", "$x^2$", "`x`", "<b></b>", "https://a.org/of", "。"]
)
def test_a_text_without_words(text: str) -> None:
    assert target_share(text, "en") == 0.0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_held_out_paragraph_is_in_its_language_and_in_no_other(language: str) -> None:
    for paragraph in mixtures.paragraphs("held_out"):
        text = mixtures.joined([(language, sentence) for sentence in paragraph["texts"][language]])
        assert target_share(text, language) == 1.0
        assert all(target_share(text, other) == 0.0 for other in LANGUAGES if other != language)


def test_mean_absolute_error_on_held_out_mixtures() -> None:
    errors: dict[str, list[float]] = defaultdict(list)
    for mixture in mixtures.make("held_out", seed=0, languages=LANGUAGES):
        errors[mixture.construction].append(abs(target_share(mixture.text, mixture.target) - mixture.share))
    means = {construction: sum(values) / len(values) for construction, values in errors.items()}
    everything = [error for values in errors.values() for error in values]
    assert len(everything) == 420
    assert sum(everything) / len(everything) < 0.004, means
    assert max(means.values()) < 0.015, means


def test_the_megabyte() -> None:
    target_share(EN, "en")  # loads the model
    for text in (
        EN,
        ZH,
        "a ",
        "ab",
        "$",
        "\\(",
        "\\text{",
        "<a",
        "`",
        "```\n",
        "\\begin{a}",
        "$a b$",
        "@a",
        "_a",
        "http://",
    ):
        long = text * (1_000_000 // len(text))
        start = time.perf_counter()
        target_share(long, "en")
        assert time.perf_counter() - start < 1.0, text
