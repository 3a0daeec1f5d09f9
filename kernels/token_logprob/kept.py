"""Which entries of a row top-k and top-p leave: the sampler's renormalised distribution, for the trainer's side."""

from __future__ import annotations

import torch


def kept_floor(logits: torch.Tensor, targets: torch.Tensor, scale: float, top_p: float, top_k: int) -> torch.Tensor:
    """(n,) float32: the least logit that is kept in each row of `logits` (n, V); the target always is.

    top-k first, then the smallest set of likeliest entries whose probability, renormalised after top-k, reaches
    top_p (Holtzman et al. 2020, arXiv 1904.09751, eq. 2-3), the order in which samplers apply them. Entries equal to
    the least one kept are kept, too.
    """
    count = logits.shape[1] if top_k <= 0 else min(top_k, logits.shape[1])
    largest = torch.topk(logits.float(), count, dim=-1).values
    share = torch.softmax(largest * scale, dim=-1)
    before = share.cumsum(-1) - share
    last = (before < top_p).sum(-1, keepdim=True).clamp(min=1) - 1
    floor = largest.gather(-1, last).squeeze(-1)
    return torch.minimum(floor, logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1).float())
