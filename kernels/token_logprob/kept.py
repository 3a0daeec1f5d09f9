"""Which entries of a row min-p, top-k and top-p leave: the sampler's renormalised distribution, for the trainer's side.

It is found from the trainer's own logits. Where rounding puts an entry of probability p on the other side of the border
than the sampler did, the row's log-probs differ by log(1 - p) from the sampler's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Filters:
    """In the order in which they are applied, that of vLLM 0.32: temperature, min-p, top-k, top-p."""

    scale: float
    """1 / temperature."""
    top_p: float
    top_k: int
    min_p: float


def kept_floor(logits: torch.Tensor, targets: torch.Tensor, filters: Filters) -> torch.Tensor:
    """(n,) float32: the least logit that is kept in each row of `logits` (n, V); the target always is.

    min-p keeps the entries at least min_p times as likely as the likeliest (Nguyen et al. 2024, arXiv 2407.01082),
    top-k the k likeliest of them, top-p the smallest set of likeliest entries whose probability,
    renormalised after the others, reaches top_p (Holtzman et al. 2020, arXiv 1904.09751, eq. 2-3). Entries equal to
    the least one kept are kept, too.
    """
    vocabulary = logits.shape[1]
    most = min(filters.top_k or vocabulary, vocabulary)
    sorted_entries = most if filters.top_k > 0 or filters.top_p < 1 else 1
    largest = torch.topk(logits.float(), sorted_entries, dim=-1).values
    floor = largest[:, -1] if filters.top_k > 0 else torch.full_like(largest[:, 0], -torch.inf)
    if filters.min_p > 0:
        floor = torch.maximum(floor, largest[:, 0] + math.log(filters.min_p) / filters.scale)
    if filters.top_p < 1:
        left = largest.masked_fill(largest < floor.unsqueeze(-1), -torch.inf)
        share = torch.softmax(left * filters.scale, dim=-1)
        before = share.cumsum(-1) - share
        last = (before < filters.top_p).sum(-1, keepdim=True).clamp(min=1) - 1
        floor = torch.maximum(floor, largest.gather(-1, last).squeeze(-1))
    return torch.minimum(floor, logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1).float())
