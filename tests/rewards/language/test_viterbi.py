"""By hand, with the costs of a change: 5 within a clause, 3.5 at a comma, 2 at a sentence's end."""

from __future__ import annotations

import pytest

from grpo.rewards.language.viterbi import best_path
from grpo.rewards.language.words import Gap

A, B, EITHER, SURELY_B = [0.0, -4.0], [-4.0, 0.0], [0.0, 0.0], [-13.0, 0.0]


@pytest.mark.parametrize(
    ("scores", "gaps", "path"),
    [
        ([], "", []),
        ([B], "n", [1]),
        ([A, EITHER, A], "nnn", [0, 0, 0]),
        ([A, B, A], "nnn", [0, 0, 0]),  # two changes cost 10, the word is worth 4
        ([A, A, A, B, B, B], "nnnnnn", [0, 0, 0, 1, 1, 1]),  # one change costs 5, three words are worth 12
        ([A, A, A, B, A, A], "nnnsnn", [0, 0, 0, 0, 0, 0]),
        # 13 pays two changes within a clause, 10, and the rarity of one word in five, 2.1, but not of one in 22, 3.5.
        ([A, A, SURELY_B, A, A], "nnnnn", [0, 0, 1, 0, 0]),
        ([A] * 19 + [SURELY_B, A, A], "n" * 22, [0] * 22),
        ([A, A, A, B, B, A, A], "nnnsnsn", [0, 0, 0, 1, 1, 0, 0]),  # 2 + 2 against 8, and the rarity of B
    ],
)
def test_best_path(scores: list[list[float]], gaps: str, path: list[int]) -> None:
    kinds = {"n": Gap.NONE, "c": Gap.CLAUSE, "s": Gap.SENTENCE}
    assert best_path(scores, [kinds[gap] for gap in gaps]) == path
