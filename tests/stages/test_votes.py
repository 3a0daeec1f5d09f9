"""Majority votes by hand."""

from __future__ import annotations

import pytest

from grpo.stages.votes import maj_at_k, majority, sizes


@pytest.mark.parametrize(
    ("answers", "place"),
    [
        (["3", "4", "4"], 1),
        (["3", "4", "4", "3"], 0),  # a tie: the one that came first
        ([None, None, "7"], 2),  # silence does not vote
        ([None, None], None),
    ],
)
def test_the_first_of_the_most_common_wins(answers: list[str | None], place: int | None) -> None:
    assert majority(answers) == place


def test_maj_at_k_by_hand() -> None:
    """Gold is 5. Blocks of 3: (5, 5, 1) right, (2, 2, 5) wrong; the seventh and eighth are left out."""
    answers = ["5", "5", "1", "2", "2", "5", "5", None]
    right = [1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    assert maj_at_k(answers, right, 3) == 0.5
    # Pairs: (5, 5) right; (1, 2) a tie, 1 came first, wrong; (2, 5) a tie, wrong; (5, -) right.
    assert maj_at_k(answers, right, 2) == 0.5
    assert maj_at_k(answers, right, 1) == 4 / 8
    assert maj_at_k(answers, right, 8) == 1.0  # four fives, two twos, a one, and one without an answer
    assert maj_at_k([None, None], [0.0, 0.0], 2) == 0.0
    with pytest.raises(ValueError, match="k must be"):
        maj_at_k(answers, right, 9)


def test_sizes() -> None:
    assert sizes(1) == [1] and sizes(8) == [1, 2, 4, 8] and sizes(6) == [1, 2, 4, 6]
