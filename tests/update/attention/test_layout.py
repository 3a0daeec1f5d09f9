from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grpo.types import Span
from grpo.update.attention.layout import choose_buckets, lay_out


def completion(start: int, length: int, prefix_start: int, prefix_length: int) -> Span:
    return Span(start=start, length=length, prefix_start=prefix_start, prefix_length=prefix_length)


def prompt(start: int, length: int) -> Span:
    return completion(start, length, start, 0)


def test_layout_by_hand() -> None:
    """Prompt of 2 at 0, completions of 1 and 2 after it, one place of padding at 5."""
    layout = lay_out([prompt(0, 2), completion(2, 1, 0, 2), completion(3, 2, 0, 2)], 6, torch.device("cpu"))
    first, second = layout.buckets
    assert (first.spans, first.queries, first.keys, first.mask) == (1, 2, 2, None)
    assert (second.spans, second.queries, second.keys) == (2, 2, 4)
    assert second.mask is not None
    assert second.mask.tolist() == [[[[True, True, True, False], [True, True, True, True]]]]
    assert layout.query_index.tolist() == [0, 1, 2, 0, 3, 4]
    assert layout.key_index.tolist() == [0, 1, 0, 1, 2, 0, 0, 1, 3, 4]
    assert layout.place.tolist() == [0, 1, 2, 4, 5, 6]


def test_long_completions_go_causal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompt of 1 at 0 and completions of 2 and 3: unread queries stand where the prompt's would."""
    monkeypatch.setattr("grpo.update.attention.layout.CAUSAL_KEYS", {"cpu": 3})
    layout = lay_out([prompt(0, 1), completion(1, 2, 0, 1), completion(3, 3, 0, 1)], 6, torch.device("cpu"))
    [bucket] = layout.buckets
    assert (bucket.spans, bucket.queries, bucket.keys, bucket.mask) == (3, 4, 4, None)
    assert layout.key_index.view(3, 4).tolist() == [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 5]]
    assert layout.query_index.view(3, 4).tolist() == [[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 5]]
    assert layout.place.tolist() == [0, 5, 6, 9, 10, 11]


def test_prefixes_of_different_lengths_have_a_mask_each() -> None:
    layout = lay_out(
        [prompt(0, 1), completion(1, 1, 0, 1), prompt(2, 2), completion(4, 1, 2, 2)], 5, torch.device("cpu")
    )
    mask = layout.buckets[1].mask
    assert mask is not None
    assert mask.tolist() == [[[[True, False, True]]], [[[True, True, True]]]]


def test_a_call_is_spent_where_padding_would_cost_more() -> None:
    short, long = completion(1, 1, 0, 1), completion(2, 10, 0, 1)
    assert choose_buckets([short, long], call_scores=107, masked=True) == [
        [short],
        [long],
    ]  # 2·110 = 220 against 2 + 110 + 107
    assert choose_buckets([short, long], call_scores=108, masked=True) == [[short, long]]


spans = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), min_size=1, max_size=30)


@given(shapes=spans, call_scores=st.integers(0, 5000), masked=st.booleans())
def test_every_span_is_in_one_bucket(shapes: list[tuple[int, int]], call_scores: int, masked: bool) -> None:
    given_spans = [completion(i * 100, length, 5000, prefix) for i, (length, prefix) in enumerate(shapes)]
    buckets = choose_buckets(given_spans, call_scores, masked)
    assert sorted(s.start for bucket in buckets for s in bucket) == [span.start for span in given_spans]
