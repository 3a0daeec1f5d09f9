"""The packed attention mask: same group, and the prompt or the same completion, and causal."""

from __future__ import annotations

import torch

from grpo.types import PackedBatch


def packed_mask(batch: PackedBatch) -> torch.Tensor:
    """(R, 1, L, L) bool, True where query i may look at key j; padding looks at itself, so no row is empty."""
    segments, branches = batch.segment_ids, batch.branch_ids
    same_group = segments.unsqueeze(2) == segments.unsqueeze(1)
    shared = (branches.unsqueeze(1) == 0) | (branches.unsqueeze(2) == branches.unsqueeze(1))
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    mask = same_group & shared & causal
    assert mask.shape == (segments.shape[0], length, length), mask.shape
    return mask.unsqueeze(1)


def additive(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """0 where allowed, the dtype's least value elsewhere: eager attention adds its mask, a bool one silently."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, torch.finfo(dtype).min)
