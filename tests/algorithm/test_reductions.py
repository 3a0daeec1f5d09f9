"""Two completions of 1 and 3 tokens, token losses 4 | 1 2 3, token limit 5."""

from __future__ import annotations

import pytest
import torch

from grpo.algorithm.reductions import REDUCTIONS, StepTotals, TokenCounts

COUNTS = TokenCounts(completion=torch.tensor([1, 3, 3, 3]), prompt=torch.tensor([4, 4, 4, 4]))
LOSSES = torch.tensor([4.0, 1.0, 2.0, 3.0])
TOTALS = StepTotals(prompts=1, completions=2, tokens=4, max_tokens=5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("token_mean", 10 / 4), ("sequence_mean", (4 / 1 + 6 / 3) / 2), ("constant_length", 10 / (2 * 5))],
)
def test_golden(name: str, expected: float) -> None:
    assert (LOSSES * REDUCTIONS[name](COUNTS, TOTALS)).sum().item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", sorted(REDUCTIONS))
def test_any_split_sums_to_the_same(name: str) -> None:
    whole = (LOSSES * REDUCTIONS[name](COUNTS, TOTALS)).sum()
    halves = 0.0
    for rows in (slice(0, 2), slice(2, 4)):
        counts = TokenCounts(completion=COUNTS.completion[rows], prompt=COUNTS.prompt[rows])
        halves += (LOSSES[rows] * REDUCTIONS[name](counts, TOTALS)).sum().item()
    assert halves == pytest.approx(whole.item(), rel=1e-6)
