"""maj@k: is the answer that most of k samples give right?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def majority(answers: Sequence[str | None]) -> int | None:
    """Place of the first sample that gives the most common answer; of equally common ones the first in sample order.

    None where no sample gives an answer.
    """
    votes = Counter(answer for answer in answers if answer is not None)
    if not votes:
        return None
    return answers.index(votes.most_common(1)[0][0])


def maj_at_k(answers: Sequence[str | None], right: Sequence[float], k: int) -> float:
    """Estimate that the majority of k samples of one problem is right (Wang et al. 2022, arXiv 2203.11171).

    The mean over the disjoint blocks of k samples in sample order, an unbiased estimate of the expectation over k new
    samples; a last block that is not full is left out. Samples without an answer do not vote, and a block without any
    vote is wrong. Two spellings are two answers: whether they are equal to the gold plays no part in the vote.

    Raises ValueError unless k is from 1 to the number of samples.
    """
    if not 1 <= k <= len(answers) or len(answers) != len(right):
        raise ValueError(f"k must be from 1 to the {len(answers)} answers, with a verdict each, got {k}")
    blocks = [range(start, start + k) for start in range(0, len(answers) - k + 1, k)]
    found = 0.0
    for block in blocks:
        place = majority([answers[index] for index in block])
        found += 0.0 if place is None else right[block[place]]
    return found / len(blocks)


def sizes(samples: int) -> list[int]:
    """1, 2, 4, ... up to the number of samples, which is the last one: the k of pass@k and maj@k."""
    powers = [1 << place for place in range(samples.bit_length()) if 1 << place < samples]
    return [*powers, samples]
