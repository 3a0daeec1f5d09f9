"""Exact attention of packed shared-prompt streams on SDPA calls, without any mask the size of the stream squared.

Registered with transformers as `shared_prompt`; the layout reaches it as the keyword `packed_layout` of the body's
call, which every decoder layer hands on. Without one (a plain call of the model) it is transformers' own `sdpa`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from grpo.update.attention.layout import Bucket, Layout

NAME = "shared_prompt"
UNSUPPORTED = ("sliding_window", "softcap", "s_aux", "position_bias")
"""Keywords with which a layer asks its attention for more than softmax(q·k)·v over the keys allowed."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    packed_layout: Layout | None = None,
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """query (R, heads, L, D), key and value (R, kv heads, L, D) → (R, L, heads, D).

    Raises ValueError when the layer asks for something that changes which keys count, or how.
    """
    if packed_layout is None:
        plain: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return plain
    asked = {name: options[name] for name in UNSUPPORTED if options.get(name) is not None}
    if asked:
        raise ValueError(f"{type(module).__name__} asks for {asked}, which packed attention cannot express")
    rows, heads, length, _ = query.shape
    dtype = query.dtype
    if query.device.type == "cpu":  # the bf16 kernel of torch's CPU attention is slower than fp32, up to 6 times
        query, key, value = query.float(), key.float(), value.float()
    buckets = packed_layout.buckets
    queries = _gather(query, packed_layout.query_index, [bucket.spans * bucket.queries for bucket in buckets])
    sizes = [bucket.spans * bucket.keys for bucket in buckets]
    keys, values = (_gather(tensor, packed_layout.key_index, sizes) for tensor in (key, value))
    dropout, scale = options.get("dropout", 0.0), options.get("scaling")
    results = [
        _bucket_attention(bucket, parts, dropout, scale)
        for bucket, *parts in zip(buckets, queries, keys, values, strict=True)
    ]
    flat = torch.cat([*results, results[0].new_zeros(1, *results[0].shape[1:])])
    output = flat.index_select(0, packed_layout.place).view(rows, length, heads, -1)
    return output.to(dtype), None


def _gather(tensor: torch.Tensor, index: torch.Tensor, sizes: list[int]) -> tuple[torch.Tensor, ...]:
    """(R, heads, L, D) → a (size, heads, D) for each bucket: the places of the stream that `index` names."""
    return torch.split(tensor.transpose(1, 2).flatten(0, 1).index_select(0, index), sizes)


def _bucket_attention(bucket: Bucket, parts: list[torch.Tensor], dropout: float, scale: float | None) -> torch.Tensor:
    """Gathered query (B·m, heads, D), key and value (B·k, kv heads, D) → (B·m, heads, D)."""
    query, key, value = (part.view(bucket.spans, -1, *part.shape[1:]).transpose(1, 2) for part in parts)
    grouped = query.shape[1] != key.shape[1]
    if grouped and query.device.type != "cpu" and bucket.mask is not None:
        # On CUDA a mask together with enable_gqa leaves only the slow kernel that forms all scores.
        repeats = query.shape[1] // key.shape[1]
        key, value, grouped = key.repeat_interleave(repeats, 1), value.repeat_interleave(repeats, 1), False
    output = scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=bucket.mask,
        is_causal=bucket.mask is None,
        dropout_p=dropout,
        scale=scale,
        enable_gqa=grouped,
    )
    assert output.shape[:3] == query.shape[:3], output.shape
    return output.transpose(1, 2).flatten(0, 1)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)  # for plain calls; a packed call brings a mask that is used as it is
