"""Where the queries and keys of a packed stream lie: spans put into buckets that are computed together.

A span is a prompt, or a completion whose keys are its prompt's and its own. Spans of like lengths share a bucket, are
padded to its longest and become one SDPA call; a long span has a bucket, and a call, of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from grpo.types import Span

CALL_SCORES = {"cpu": 2**12, "cuda": 2**21}
"""Padded scores (query-key pairs of one head) that cost as much as another SDPA call, forward and backward.

CPU, 2 threads, fp32: a call is about 0.15 ms and a score of 4 to 8 heads about 40 ns; between 2**10 and 2**14 the
embedded task's update changes by less than the noise (`benchmarks/attention.py`). The GPU's value is an estimate, not
yet measured: 0.15 ms of launches against 12 kFLOP a score at 200 TFLOP/s.
"""


CAUSAL_PREFIX_SHARE = 0.5
CAUSAL_KEYS = {"cpu": 1024, "cuda": 0}
"""Completions whose prompt is at most this share of them, and with at least so many keys, go without a mask: queries
that nobody reads stand before theirs in the prompt's place, and the causal kernel, which skips what lies above the
diagonal, does (n + p)²/2 scores instead of n·(n + p).

CPU, 2 threads, fp32, 8 heads on 2, forward and backward with the mask and causal, ms: completion 447 after 64: 56 and
50; 960 after 64: 168 and 130; 1500 after 64: 362 and 222; 2000 after 500: 680 and 504; 1024 after 1024: 220 and 245.
On CUDA, unmeasured, only calls without a mask reach the flash kernel, and take fewer key-value heads than query heads.
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """B spans padded to m queries and k keys."""

    spans: int
    """B."""
    queries: int
    """m."""
    keys: int
    """k; with a mask, the prefix padded to the longest and then as many own keys as there are queries."""
    mask: torch.Tensor | None
    """(B or 1, 1, m, k) bool, True where a query may look; None: causal, prefix and own keys without a gap."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to gather a stream of R·L tokens into buckets, and how to put the results back."""

    buckets: tuple[Bucket, ...]
    query_index: torch.Tensor
    """(sum B·m,) int64 into the flattened stream, buckets one after another; padding points to place 0."""
    key_index: torch.Tensor
    """(sum B·k,) int64, likewise."""
    place: torch.Tensor
    """(R·L,) int64 into the gathered queries plus one row of zeros, which padding of the stream points to."""


def lay_out(spans: Sequence[Span], tokens: int, device: torch.device) -> Layout:
    """The layout of a stream of `tokens` places, on `device`."""
    kind = "cpu" if device.type == "cpu" else "cuda"
    causal = [span for span in spans if _goes_causal(span, CAUSAL_KEYS[kind])]
    masked = [span for span in spans if not _goes_causal(span, CAUSAL_KEYS[kind])]
    buckets, queries, keys = [], [], []
    place = torch.full((tokens,), -1, dtype=torch.int64)
    base = 0
    for group, padded in ((causal, _causal), (masked, _masked)):
        for members in choose_buckets(group, CALL_SCORES[kind], masked=padded is _masked):
            query, key, mask = padded(members)
            for span, row in zip(members, query, strict=True):
                own = torch.arange(span.start, span.start + span.length)
                first = span.prefix_length if mask is None else 0
                row[first : first + span.length] = own
                place[own] = base + first + torch.arange(span.length)
                base += len(row)
            buckets.append(
                Bucket(len(members), query.shape[1], key.shape[1], None if mask is None else mask.to(device))
            )
            queries.append(query.flatten())
            keys.append(key.flatten())
    place[place < 0] = base
    return Layout(tuple(buckets), torch.cat(queries).to(device), torch.cat(keys).to(device), place.to(device))


def _goes_causal(span: Span, keys: int) -> bool:
    fits = span.prefix_length <= CAUSAL_PREFIX_SHARE * span.length and span.prefix_length + span.length >= keys
    return span.prefix_length == 0 or fits


Padded = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Query index (B, m), still zeros; key index (B, k); mask."""


def _causal(members: Sequence[Span]) -> Padded:
    """Prefix and own keys side by side, padding after them, where no real query looks."""
    k = max(span.prefix_length + span.length for span in members)
    key = torch.zeros(len(members), k, dtype=torch.int64)
    for span, row in zip(members, key, strict=True):
        row[: span.prefix_length] = _prefix(span)
        row[span.prefix_length : span.prefix_length + span.length] = torch.arange(span.start, span.start + span.length)
    return torch.zeros_like(key), key, None


def _masked(members: Sequence[Span]) -> Padded:
    """The prefix without its padding, and own keys causally; padded own keys lie after every real query."""
    n, p = max(span.length for span in members), max(span.prefix_length for span in members)
    key = torch.zeros(len(members), p + n, dtype=torch.int64)
    for span, row in zip(members, key, strict=True):
        row[: span.prefix_length] = _prefix(span)
        row[p : p + span.length] = torch.arange(span.start, span.start + span.length)
    lengths = [span.prefix_length for span in members]
    wanted = torch.tensor(lengths[:1] if len(set(lengths)) == 1 else lengths)
    prefix = torch.arange(p) < wanted[:, None]
    own = torch.ones(n, n, dtype=torch.bool).tril()
    mask = torch.cat([prefix[:, None].expand(-1, n, -1), own.expand(len(wanted), -1, -1)], dim=2)
    assert mask.shape == (len(wanted), n, p + n), mask.shape
    return torch.zeros(len(members), n, dtype=torch.int64), key, mask.unsqueeze(1)


def _prefix(span: Span) -> torch.Tensor:
    return torch.arange(span.prefix_start, span.prefix_start + span.prefix_length)


def choose_buckets(spans: Sequence[Span], call_scores: int, masked: bool) -> list[list[Span]]:
    """Spans in buckets such that padded scores plus `call_scores` a bucket come out small: the better of two orders."""
    scores = _masked_scores if masked else _causal_scores
    orders = (lambda s: (s.length, s.prefix_length), lambda s: (s.prefix_length, s.length))
    candidates = [_greedy(sorted(spans, key=order), call_scores, scores) for order in orders]
    return min(candidates, key=lambda buckets: sum(scores(bucket) + call_scores for bucket in buckets))


def _greedy(ordered: Sequence[Span], call_scores: int, scores: Callable[[list[Span]], int]) -> list[list[Span]]:
    """Each span joins the bucket before it unless the padding that adds costs more than a call of its own."""
    buckets: list[list[Span]] = []
    for span in ordered:
        if buckets and scores([*buckets[-1], span]) <= scores(buckets[-1]) + scores([span]) + call_scores:
            buckets[-1].append(span)
        else:
            buckets.append([span])
    return buckets


def _causal_scores(bucket: list[Span]) -> int:
    return int(len(bucket) * max(span.prefix_length + span.length for span in bucket) ** 2)


def _masked_scores(bucket: list[Span]) -> int:
    n = max(span.length for span in bucket)
    return len(bucket) * n * (n + max(span.prefix_length for span in bucket))
