"""The packed mask as a block mask for transformers' `flex_attention`: blocks of 128×128 without an allowed pair cost
nothing. On a CPU torch has no backward pass for it."""

from __future__ import annotations

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask

from grpo.types import PackedBatch


def block_mask(batch: PackedBatch) -> BlockMask:
    """Same pairs as `dense.packed_mask`, R rows of L places."""
    segments, branches = batch.segment_ids, batch.branch_ids

    def allowed(row: torch.Tensor, _: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        same_group = segments[row, query] == segments[row, key]
        shared = (branches[row, key] == 0) | (branches[row, key] == branches[row, query])
        return same_group & shared & (key <= query)

    rows, length = segments.shape
    return create_block_mask(allowed, B=rows, H=None, Q_LEN=length, KV_LEN=length, device=str(segments.device))
