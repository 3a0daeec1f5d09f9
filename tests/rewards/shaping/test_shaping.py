"""Values worked out by hand from the papers' formulas."""

from __future__ import annotations

import math
import sys
import time
from types import ModuleType, SimpleNamespace

import pytest

from grpo.rewards.ngrams import repeats
from grpo.rewards.shaping.cosine import CosineLength
from grpo.rewards.shaping.overlong import SoftOverlongPunishment
from grpo.rewards.shaping.repetition import RepetitionPenalty


def tokens(*lengths: int) -> list[list[int]]:
    return [[1] * length for length in lengths]


class TestSoftOverlongPunishment:
    def test_the_papers_setting(self) -> None:
        punish = SoftOverlongPunishment()
        assert punish(completion_ids=tokens(0, 16_384, 18_432, 20_480, 20_481)) == [0.0, 0.0, -0.5, -1.0, -1.0]

    def test_own_limits(self) -> None:
        punish = SoftOverlongPunishment(max_tokens=100, cache_tokens=20)
        assert punish(tokens(80, 85, 90, 99, 100, 101)) == [0.0, -0.25, -0.5, -0.95, -1.0, -1.0]

    def test_without_a_cache_only_the_limit_counts(self) -> None:
        assert SoftOverlongPunishment(max_tokens=10, cache_tokens=0)(tokens(10, 11)) == [0.0, -1.0]

    @pytest.mark.parametrize(
        "settings", [{"max_tokens": 0}, {"cache_tokens": -1}, {"max_tokens": 5, "cache_tokens": 6}]
    )
    def test_refuses(self, settings: dict[str, int]) -> None:
        with pytest.raises(ValueError, match="_tokens"):
            SoftOverlongPunishment(**settings)


class TestRepetitionPenalty:
    def test_by_hand(self) -> None:
        # 2-grams of 1 2 1 2 1: 12 21 12 21, two distinct of four; of five fives: one distinct of four.
        ids = [[1, 2, 1, 2, 1], [5, 5, 5, 5, 5], [1, 2, 3, 4, 5], [7], []]
        assert RepetitionPenalty(ngram_tokens=2)(completion_ids=ids) == [-0.5, -0.75, 0.0, 0.0, 0.0]
        assert RepetitionPenalty(ngram_tokens=2, max_penalty=-0.1)(ids)[1] == pytest.approx(-0.075)
        assert RepetitionPenalty(ngram_tokens=1)([[3, 3, 3, 4]]) == [-0.5]

    @pytest.mark.parametrize("settings", [{"ngram_tokens": 0}, {"max_penalty": 0.1}, {"max_penalty": math.nan}])
    def test_refuses(self, settings: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=next(iter(settings))):
            RepetitionPenalty(**settings)  # type: ignore[arg-type]

    def test_equals_a_set_of_tuples(self) -> None:
        ids = [(7 * i * i + i // 3) % 11 for i in range(2000)]
        for n in (1, 2, 3, 5, 20):
            seen: set[tuple[int, ...]] = set()
            expected = []
            for start in range(len(ids) - n + 1):
                gram = tuple(ids[start : start + n])
                expected.append(gram in seen)
                seen.add(gram)
            assert repeats(ids, n).tolist() == expected


class TestCosineLength:
    RIGHT = "<answer>7</answer>"
    WRONG = "<answer>8</answer>"

    def test_the_papers_values(self) -> None:
        reward = CosineLength(max_tokens=100, accuracy="exact_integer")
        lengths = tokens(0, 50, 100, 101, 0, 50, 100)
        texts = [self.RIGHT] * 4 + [self.WRONG] * 3
        values = reward(completions=texts, completion_ids=lengths, answer=["7"] * 7)
        # Halfway the cosine is 0: the mean of both ends. A third: cos 60° = 1/2, three quarters of the way back.
        assert values == pytest.approx([2.0, 1.5, -10.0, -10.0, -10.0, -5.0, -10.0])
        third = CosineLength(max_tokens=3, accuracy="exact_integer")
        assert third([self.RIGHT, self.WRONG], tokens(1, 1), ["7", "7"]) == pytest.approx([1.75, -7.5])

    def test_own_ends(self) -> None:
        reward = CosineLength(
            max_tokens=60,
            correct_short=1.0,
            correct_long=0.5,
            wrong_short=-1.0,
            wrong_long=-0.5,
            exceeded=-2.0,
            accuracy="exact_integer",
        )
        values = reward([self.RIGHT, self.WRONG, self.RIGHT], tokens(30, 30, 60), ["7"] * 3)
        assert values == pytest.approx([0.75, -0.75, -2.0])

    def test_the_mathematical_verifier_decides(self, monkeypatch: pytest.MonkeyPatch) -> None:
        verifier = ModuleType("grpo.rewards.math")
        verifier.verify_batch = lambda golds, texts: [  # type: ignore[attr-defined]
            SimpleNamespace(equal=gold in text) for gold, text in zip(golds, texts, strict=True)
        ]
        monkeypatch.setitem(sys.modules, "grpo.rewards.math", verifier)
        messages = [{"role": "assistant", "content": "it is x+1"}]
        assert CosineLength(max_tokens=2)([messages, "no"], tokens(0, 0), ["x+1", "x"]) == [2.0, -10.0]

    @pytest.mark.parametrize("settings", [{"max_tokens": 0}, {"accuracy": "guess"}, {"wrong_long": math.inf}])
    def test_refuses(self, settings: dict[str, float]) -> None:
        with pytest.raises(ValueError):
            CosineLength(**settings)  # type: ignore[arg-type]


def test_a_million_tokens_take_less_than_a_second() -> None:
    ids = [[(i * i) % 977 for i in range(1_000_000)]]
    start = time.process_time()
    RepetitionPenalty()(ids)
    SoftOverlongPunishment()(ids)
    assert time.process_time() - start < 1.0
