"""A Hugging Face causal language model as the update sees it: packed tokens in, log-probs of the targets out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from transformers import PreTrainedModel

from grpo.kernels.token_logprob import token_logprob
from grpo.model.lora import Adapters
from grpo.types import PackedBatch
from grpo.update.attention import additive, packed_mask
from grpo.update.experience import Branch, Tree
from grpo.update.packing import PackingLimits, pack


class Policy:
    """The model being trained, or a frozen reference."""

    def __init__(self, model: PreTrainedModel, adapters: Adapters | None = None) -> None:
        """`adapters` are those inside `model`. Raises ValueError for models whose head is not one matrix product."""
        self.model, self.adapters = model, adapters
        head = model.get_output_embeddings()
        extras = [
            k for k in ("final_logit_softcapping", "logit_scale", "logits_scaling") if getattr(model.config, k, None)
        ]
        if head is None or getattr(head, "bias", None) is not None or extras:
            raise ValueError(
                f"{type(model).__name__} has an output head with {extras or 'a bias or no weight'}; "
                "supported are causal language models whose logits are hidden states times one weight matrix"
            )
        self._additive_mask = model.config._attn_implementation == "eager"

    def token_logprobs(self, batch: PackedBatch, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-prob and entropy (N,), float32, nats, of the batch's targets at a sampling temperature."""
        mask = packed_mask(batch)
        hidden = self.model.base_model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            attention_mask=additive(mask, self.model.dtype) if self._additive_mask else mask,
            use_cache=False,
        ).last_hidden_state
        rows = hidden.flatten(0, 1).index_select(0, batch.source_index)
        return token_logprob(rows, self.model.get_output_embeddings().weight, batch.target_ids, temperature)

    @torch.no_grad()
    def sequence_logprobs(self, sequences: Sequence[tuple[int, ...]], limits: PackingLimits) -> list[torch.Tensor]:
        """Log-probs of tokens 1..T-1 of each sequence at temperature 1, as `RolloutEngine.score` gives them."""
        trees = [
            Tree(
                prompt_ids=ids[:1],
                branches=(Branch(token_ids=ids[1:], sampler_logprobs=(), advantage=0.0),),
            )
            for ids in sequences
        ]
        results = [torch.empty(len(ids) - 1) for ids in sequences]
        for batch in pack(trees, limits):
            batch = to_device(batch, self.model.device)
            logprob, _ = self.token_logprobs(batch, 1.0)
            scatter(logprob, batch, results)
        return results

    def named_weights(self) -> Iterable[tuple[str, torch.Tensor]]:
        """Every weight once, named as in the checkpoint; a tied head is left out, as in the checkpoint."""
        if self.adapters is not None:
            yield from self.adapters.merged_weights()
            return
        seen: set[int] = set()
        for name, tensor in self.model.named_parameters():
            if tensor.data_ptr() not in seen:
                seen.add(tensor.data_ptr())
                yield name, tensor.detach()

    def changed_weights(self) -> Iterable[tuple[str, torch.Tensor]] | None:
        """Of `named_weights` what training changes, merged; None when that is all of them."""
        return None if self.adapters is None else self.adapters.merged_weights(changed_only=True)


def to_device(batch: PackedBatch, device: torch.device) -> PackedBatch:
    """The same micro-batch on a device."""
    moved = {name: getattr(batch, name).to(device) for name in PackedBatch.__slots__}
    return PackedBatch(**moved)


def scatter(values: torch.Tensor, batch: PackedBatch, into: Sequence[torch.Tensor]) -> None:
    """Put per-token values (N,) where they belong: into[completion][offset]."""
    for value, completion, offset in zip(
        values.tolist(), batch.completion_index.tolist(), batch.token_offset.tolist(), strict=True
    ):
        into[completion][offset] = value
