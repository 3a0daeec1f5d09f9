"""Where the queries and keys of a packed stream lie: spans put into buckets that are computed together.

A span is a prompt, or a completion whose keys are its prompt's and its own. Spans of like lengths share a bucket, are
padded to its longest and become one SDPA call; a long span has a bucket, and a call, of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from grpo.types import Span

CALL_SCORES = {"cpu": 2**12, "cuda": 2**21}
"""Padded scores (query-key pairs of one head) that cost as much as another SDPA call, forward and backward.

CPU, 2 threads, fp32: a call is about 0.15 ms and a score of 4 to 8 heads about 40 ns; between 2**10 and 2**14 the
embedded task's update changes by less than the noise (`benchmarks/attention.py`). The GPU's value is an estimate, not
yet measured: 0.15 ms of launches against 12 kFLOP a score at 200 TFLOP/s.
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """B spans padded to n queries, and n own keys after p prefix keys."""

    spans: int
    """B."""
    queries: int
    """n."""
    prefix: int
    """p; 0: prompts, whose mask is plain causality."""
    mask: torch.Tensor | None
    """(B or 1, 1, n, p + n) bool, True where a query may look; None: causal."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How to gather a stream of R·L tokens into buckets, and how to put the results back."""

    buckets: tuple[Bucket, ...]
    query_index: torch.Tensor
    """(sum B·n,) int64 into the flattened stream, buckets one after another; padding points to place 0."""
    key_index: torch.Tensor
    """(sum B·(p + n),) int64, likewise."""
    place: torch.Tensor
    """(R·L,) int64 into the gathered queries plus one row of zeros, which padding of the stream points to."""


def lay_out(spans: Sequence[Span], tokens: int, device: torch.device) -> Layout:
    """The layout of a stream of `tokens` places, on `device`."""
    buckets, queries, keys = [], [], []
    place = torch.full((tokens,), -1, dtype=torch.int64)
    base = 0
    for members in choose_buckets(spans, CALL_SCORES["cpu" if device.type == "cpu" else "cuda"]):
        n, p = max(s.length for s in members), max(s.prefix_length for s in members)
        query = torch.zeros(len(members), n, dtype=torch.int64)
        key = torch.zeros(len(members), p + n, dtype=torch.int64)
        for i, span in enumerate(members):
            own = torch.arange(span.start, span.start + span.length)
            query[i, : span.length] = own
            key[i, p : p + span.length] = own
            key[i, : span.prefix_length] = torch.arange(span.prefix_start, span.prefix_start + span.prefix_length)
            place[own] = base + i * n + torch.arange(span.length)
        base += query.numel()
        buckets.append(Bucket(len(members), n, p, _mask(members, n, p, device)))
        queries.append(query.flatten())
        keys.append(key.flatten())
    place[place < 0] = base
    return Layout(tuple(buckets), torch.cat(queries).to(device), torch.cat(keys).to(device), place.to(device))


def _mask(members: Sequence[Span], n: int, p: int, device: torch.device) -> torch.Tensor | None:
    """Own keys causally, and the prefix without its padding; padded own keys lie after every real query."""
    if p == 0:
        return None
    lengths = sorted({span.prefix_length for span in members})
    wanted = torch.tensor(lengths if len(lengths) == 1 else [span.prefix_length for span in members])
    prefix = torch.arange(p) < wanted[:, None]
    own = torch.ones(n, n, dtype=torch.bool).tril()
    mask = torch.cat([prefix[:, None].expand(-1, n, -1), own.expand(len(wanted), -1, -1)], dim=2)
    assert mask.shape == (len(wanted), n, p + n), mask.shape
    return mask.unsqueeze(1).to(device)


def choose_buckets(spans: Sequence[Span], call_scores: int) -> list[list[Span]]:
    """Spans in buckets such that padded scores plus `call_scores` a bucket come out small: the better of two orders."""
    prompts = [span for span in spans if span.prefix_length == 0]
    others = [span for span in spans if span.prefix_length > 0]
    candidates = [
        _greedy(sorted(others, key=lambda s: (s.length, s.prefix_length)), call_scores),
        _greedy(sorted(others, key=lambda s: (s.prefix_length, s.length)), call_scores),
    ]
    chosen = min(candidates, key=lambda buckets: sum(_scores(bucket) + call_scores for bucket in buckets))
    return _greedy(sorted(prompts, key=lambda s: s.length), call_scores) + chosen


def _greedy(ordered: Sequence[Span], call_scores: int) -> list[list[Span]]:
    """Each span joins the bucket before it unless the padding that adds costs more than a call of its own."""
    buckets: list[list[Span]] = []
    for span in ordered:
        if buckets and _scores([*buckets[-1], span]) <= _scores(buckets[-1]) + _scores([span]) + call_scores:
            buckets[-1].append(span)
        else:
            buckets.append([span])
    return buckets


def _scores(bucket: Sequence[Span]) -> int:
    n = max(span.length for span in bucket)
    return len(bucket) * n * (n + max(span.prefix_length for span in bucket))
