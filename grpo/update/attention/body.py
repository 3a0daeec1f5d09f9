"""The body of a language model on a packed batch: tokens in, hidden states out, by the model's kind of attention."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from grpo.types import PackedBatch
from grpo.update.attention import shared_prompt
from grpo.update.attention.dense import additive, packed_mask
from grpo.update.attention.flex import block_mask
from grpo.update.attention.layout import lay_out

IMPLEMENTATIONS = {"shared_prompt": shared_prompt.NAME, "flex": "flex_attention", "sdpa": "sdpa", "eager": "eager"}
"""`model.attention` to the name transformers knows it by."""


def body_hidden(model: PreTrainedModel, batch: PackedBatch, embeddings: torch.Tensor | None = None) -> torch.Tensor:
    """(R, L, H) last hidden states of the batch's stream; padding's are finite and mean nothing.

    `embeddings` (R, L, H) are taken instead of the model's own for `batch.input_ids`. Raises ValueError for gradients
    through flex attention on a CPU.
    """
    hidden: torch.Tensor = model.base_model(
        input_ids=batch.input_ids if embeddings is None else None,
        inputs_embeds=embeddings,
        position_ids=batch.position_ids,
        use_cache=False,
        **_attention(model, batch),
    ).last_hidden_state
    assert hidden.shape[:2] == batch.input_ids.shape, hidden.shape
    return hidden


def _attention(model: PreTrainedModel, batch: PackedBatch) -> dict[str, Any]:
    """Keywords of the body. Transformers takes a four-dimensional mask as it is; without one it would split the stream
    by itself where positions start anew."""
    name = model.config._attn_implementation
    if name == shared_prompt.NAME:
        layout = lay_out(batch.spans, batch.input_ids.numel(), batch.input_ids.device)
        unused = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=batch.input_ids.device)
        return {"attention_mask": unused, "packed_layout": layout}
    if name == "flex_attention":
        if batch.input_ids.device.type == "cpu" and torch.is_grad_enabled():
            raise ValueError(
                "flex attention has no backward pass on a CPU; valid for training are shared_prompt, sdpa, eager"
            )
        return {"attention_mask": block_mask(batch)}
    mask = packed_mask(batch)
    return {"attention_mask": additive(mask, model.dtype) if name == "eager" else mask}


def require_supported(model: PreTrainedModel) -> None:
    """Raises ValueError, naming the setting, where a layer does not attend to all of its past in the plain way."""
    config = model.config
    name = config._attn_implementation
    if name not in IMPLEMENTATIONS.values():
        raise ValueError(f"attention {name!r}: packed streams need one of {', '.join(IMPLEMENTATIONS)}")
    types = getattr(config, "layer_types", None) or ()
    windows = sorted({kind for kind in types if kind != "full_attention"})
    if windows:
        raise ValueError(f"layer_types of {type(model).__name__} has {windows}; valid is full_attention in every layer")
    if not types and getattr(config, "sliding_window", None) is not None:
        raise ValueError(f"sliding_window={config.sliding_window} of {type(model).__name__}; valid is null")
    for key in ("attn_logit_softcapping", "attention_chunk_size", "alibi"):
        if getattr(config, key, None):
            raise ValueError(f"{key}={getattr(config, key)} of {type(model).__name__}; valid is to leave it unset")
    if not getattr(model, "_supports_attention_backend", False):
        raise ValueError(f"{type(model).__name__} does not take its attention from transformers' interface")
