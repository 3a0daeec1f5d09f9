"""Two prompts, token limit 5. The first has completions of 1 and 3 tokens, losses 4 | 1 2 3; the second one: 5 7."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grpo.algorithm.reductions import REDUCTIONS, StepTotals, TokenCounts

COUNTS = TokenCounts(completion=torch.tensor([1, 3, 3, 3, 2, 2]), prompt=torch.tensor([4, 4, 4, 4, 2, 2]))
LOSSES = torch.tensor([4.0, 1.0, 2.0, 3.0, 5.0, 7.0])
TOTALS = StepTotals(prompts=2, completions=3, tokens=6, max_tokens=5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("token_mean", 22 / 6),
        ("bnpo", 22 / 6),
        ("sequence_mean", (4 / 1 + 6 / 3 + 12 / 2) / 3),
        ("sequence_sum", (4 + 6 + 12) / 3),
        ("prompt_mean", (10 / 4 + 12 / 2) / 2),
        ("constant_length", 22 / (3 * 5)),
    ],
)
def test_golden(name: str, expected: float) -> None:
    assert (LOSSES * REDUCTIONS[name](COUNTS, TOTALS)).sum().item() == pytest.approx(expected, rel=1e-6)


def test_a_dead_group_left_out_of_the_forward_pass_still_counts() -> None:
    """The second prompt is not computed: its losses are 0, its tokens stay in the totals."""
    rows = TokenCounts(completion=COUNTS.completion[:4], prompt=COUNTS.prompt[:4])
    for name, expected in {"token_mean": 10 / 6, "prompt_mean": 10 / 4 / 2, "sequence_sum": 10 / 3}.items():
        assert (LOSSES[:4] * REDUCTIONS[name](rows, TOTALS)).sum().item() == pytest.approx(expected, rel=1e-6)


steps = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4), min_size=1, max_size=4)


@pytest.mark.parametrize("name", REDUCTIONS)
@settings(max_examples=30)
@given(lengths=steps, data=st.data())
def test_any_split_of_a_step_has_the_same_weights(name: str, lengths: list[list[int]], data: st.DataObject) -> None:
    """Of micro-batches cut anywhere, in any order of the tokens."""
    own = torch.tensor([n for group in lengths for n in group for _ in range(n)])
    prompt = torch.tensor([sum(group) for group in lengths for _ in range(sum(group))])
    totals = StepTotals(prompts=len(lengths), completions=sum(map(len, lengths)), tokens=len(own), max_tokens=6)
    whole = REDUCTIONS[name](TokenCounts(completion=own, prompt=prompt), totals)
    assert whole.shape == own.shape and whole.dtype == torch.float32 and bool((whole > 0).all())
    order = torch.tensor(data.draw(st.permutations(range(len(own)))))
    cut = data.draw(st.integers(0, len(own)))
    for rows in (order[:cut], order[cut:]):
        part = REDUCTIONS[name](TokenCounts(completion=own[rows], prompt=prompt[rows]), totals)
        assert torch.equal(part, whole[rows])


@pytest.mark.parametrize("name", ["token_mean", "sequence_mean", "prompt_mean"])
@settings(max_examples=30)
@given(lengths=steps)
def test_means_of_a_constant_are_the_constant(name: str, lengths: list[list[int]]) -> None:
    own = torch.tensor([n for group in lengths for n in group for _ in range(n)])
    prompt = torch.tensor([sum(group) for group in lengths for _ in range(sum(group))])
    totals = StepTotals(prompts=len(lengths), completions=sum(map(len, lengths)), tokens=len(own), max_tokens=6)
    weights = REDUCTIONS[name](TokenCounts(completion=own, prompt=prompt), totals)
    assert weights.sum().item() == pytest.approx(1.0, rel=1e-6)
