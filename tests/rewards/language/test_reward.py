from __future__ import annotations

import time

import pytest

from grpo.rewards.call import CallRequest, Signature, invoke
from grpo.rewards.language import LanguageConsistency
from grpo.rewards.registry import resolve

ES = "Primero necesito saber cuántas bolsas lleva a casa, así que divido doce entre cuatro."
ES_2 = "Ayer por la noche llovía tanto que nadie quería salir de casa."
EN = "First I need to know how many bags she takes home, so I divide twelve by four."


def thought(reasoning: str, rest: str = "tres") -> str:
    return f"<think>{reasoning}</think>{rest}"


def score(text: str, target: str = "es", prompt: str = "p", **settings: float) -> float:
    (value,) = LanguageConsistency(target=target, **settings)(prompts=[prompt], completions=[text])  # type: ignore[arg-type]
    assert value is not None
    return value


def test_a_fixed_target() -> None:
    assert score(thought(ES)) == 1.0
    assert score(thought(EN)) == 0.0
    # 13 countable Spanish words of 13 + 15 (`a` and `I` are single letters).
    assert score(thought(f"{ES} {EN}")) == pytest.approx(13 / 28)


def test_a_column_names_the_target() -> None:
    logged: list[tuple[str, float]] = []
    values = LanguageConsistency(column="language")(
        prompts=["p"] * 3,
        completions=[thought(ES), thought(ES), thought(ES)],
        language=["es", "en", None],
        log_metric=lambda name, value: logged.append((name, value)),
    )
    assert values == [1.0, 0.0, None]
    assert logged == [("language/share", 0.5)]


def test_the_prompt_decides_otherwise() -> None:
    chat = [{"role": "system", "content": EN}, {"role": "user", "content": EN}, {"role": "user", "content": ES}]
    completions = [[{"role": "assistant", "content": thought(ES_2)}], thought(ES_2), thought(ES_2), thought(ES_2)]
    assert LanguageConsistency()(prompts=[chat, ES, EN, "2 + 2 ="], completions=completions) == [1.0, 1.0, 0.0, None]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "xx"}, "'xx' is not supported; choose one of ar, bg, bn, de"),
        ({"target": "es", "column": "language"}, "not both"),
        ({"column": ""}, "column ''"),
        ({"min_words": 0.5}, "min_words 0.5"),
        ({"min_words": float("nan")}, "min_words nan"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LanguageConsistency(**settings)  # type: ignore[arg-type]


def test_rows_that_make_no_sense() -> None:
    reward = LanguageConsistency(column="language")
    with pytest.raises(ValueError, match="no column 'language'"):
        reward(["p"], [thought(ES)], answer=["7"])
    with pytest.raises(ValueError, match="'tlh' is not supported"):
        reward(["p"], [thought(ES)], language=["tlh"])


class TestWhereTheReasoningIs:
    def test_it_must_be_closed(self) -> None:
        assert score(f"<think>{ES}") == score(ES) == score("") == 0.0

    def test_the_prompt_may_have_opened_it(self) -> None:
        assert score(f"{ES}</think>tres", prompt=f"{EN}\n<think>\n") == 1.0
        assert score(f"{ES}</think>tres") == 1.0

    def test_opening_it_again_hides_nothing(self) -> None:
        text = f"{EN}<think>{ES}</think>tres"
        assert score(text) == 1.0
        assert score(text, prompt="p <think>") == pytest.approx(13 / 28)

    def test_the_last_close_ends_it(self) -> None:
        assert score(f"<think>{ES}</think>{EN}</think>tres") == pytest.approx(13 / 28)

    def test_thinking_after_it_wins_nothing(self) -> None:
        assert score(thought("", ES)) == 0.0
        assert score(thought(ES, EN)) == 0.0  # more words follow than were thought
        assert score(thought(f"{ES} {ES_2}", EN)) == 1.0
        assert score(thought(ES, f"{ES_2} {ES}")) == 1.0


class TestTooLittleReasoning:
    @pytest.mark.parametrize(
        "text", ["", "   ", "$x^2 = 9$, $x = 3$", "12 + 3 = 15", "Sí, son tres bolsas.", "a b c d e f"]
    )
    def test_gets_nothing(self, text: str) -> None:
        assert score(thought(text)) == 0.0

    def test_enough_is_a_setting(self) -> None:
        assert score(thought("Sí, son tres bolsas."), min_words=4.0) == 1.0
        assert score(thought(ES), min_words=14.0) == 0.0


class TestRepetition:
    def test_a_repeated_sentence_does_not_raise_the_share(self) -> None:
        alone = score(thought(f"{EN} {ES}"))
        assert score(thought(f"{EN} " + f"{ES} " * 50)) == pytest.approx(alone)
        assert score(thought(f"{ES} " * 50 + EN)) == pytest.approx(alone)

    def test_nor_does_it_hide_behind_numbers_or_between_other_sentences(self) -> None:
        numbered = " ".join(f"{n}. {ES}" for n in range(50))
        assert score(thought(f"{EN} {numbered}")) == pytest.approx(13 / 28, abs=0.01)
        others = [EN, "The seller also offered her a small discount.", "Therefore she pays nine euros in total."]
        short = "Son tres bolsas en total."
        mixed = " ".join(f"{other} {short}" for other in others)
        assert score(thought(mixed)) == pytest.approx(score(thought(" ".join([*others, short]))))

    def test_nor_without_punctuation(self) -> None:
        bare = ES.rstrip(".").replace(",", "")
        assert score(thought(f"{EN} " + f"{bare} " * 50)) == pytest.approx(13 / 28, abs=0.01)

    def test_nor_in_a_script_without_spaces(self) -> None:
        chinese = "首先我需要知道她带回家多少袋所以我用十二除以四"
        once = score(thought(f"{EN} {chinese}"), "zh")
        assert score(thought(f"{EN} " + chinese * 50), "zh") == pytest.approx(once, abs=0.02)

    def test_a_repeated_sentence_alone_still_counts_once(self) -> None:
        assert score(thought(f"{ES} " * 50)) == 1.0
        assert score(thought("Son tres bolsas. " * 50)) == 0.0

    def test_repeating_the_wrong_language_wins_nothing_either(self) -> None:
        assert score(thought(f"{ES} " + f"{EN} " * 9)) == pytest.approx(13 / (13 + 9 * 15))


def test_it_is_called_like_any_reward_function() -> None:
    reward = resolve("grpo.rewards.language.LanguageConsistency")
    columns = {"prompts": [ES, ES], "completions": [thought(ES_2), thought(EN)], "completion_ids": [[1], [2]]}
    result = invoke(
        reward, Signature.of(reward), CallRequest(columns=columns | {"answer": ["3", "3"]}, count=2, step=1)
    )
    assert [outcome.value for outcome in result.outcomes] == [1.0, 0.0]
    assert result.metrics == (("language/share", 0.5),)


@pytest.mark.parametrize("sentence", [ES, "首先我需要知道她带回家多少袋。", "$a$ ", "<think>"])
def test_a_megabyte_takes_less_than_a_second(sentence: str) -> None:
    score(thought(ES))  # loads the model
    text = thought(sentence * (1_000_000 // len(sentence)))
    start = time.process_time()
    score(text)
    assert time.process_time() - start < 1.0
