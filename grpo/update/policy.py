"""A Hugging Face causal language model as the update sees it: packed tokens in, log-probs of the targets out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from grpo.kernels.embedding import embed
from grpo.kernels.token_logprob import HeadLoss, HeadSettings, Objective, head_loss, token_logprob
from grpo.model.lora import Adapters
from grpo.types import PackedBatch
from grpo.update.attention import body_hidden, require_supported
from grpo.update.columns import columns_of
from grpo.update.experience import Branch, Tree
from grpo.update.packing import PackingLimits, pack


class Policy:
    """The model being trained, or a frozen reference."""

    def __init__(self, model: PreTrainedModel, adapters: Adapters | None = None) -> None:
        """`adapters` are those inside `model`.

        Raises ValueError for models whose head does more than one matrix product, or whose attention has limits.
        """
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
        require_supported(model)

    def token_logprobs(self, batch: PackedBatch, sampling: HeadSettings) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-prob and entropy (N,), float32, nats, of the batch's targets under the sampler's distribution."""
        rows = predicting_rows(body_hidden(self.model, batch), batch)
        return token_logprob(rows, self._head, batch.target_ids, sampling)

    def learn(self, batch: PackedBatch, sampling: HeadSettings, objective: Objective) -> HeadLoss:
        """Add the gradients of `objective` over the batch's N targets to the parameters'."""
        layer = self.model.get_input_embeddings()
        plain = type(layer) is torch.nn.Embedding  # others may scale what they look up
        embeddings = embed(batch.input_ids, layer.weight) if plain else None
        rows = predicting_rows(body_hidden(self.model, batch, embeddings), batch)
        result = head_loss(rows, self._head, batch.target_ids, objective, sampling)
        rows.backward(result.hidden_gradient)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def tree_logprobs(self, trees: Sequence[Tree], limits: PackingLimits, sampling: HeadSettings) -> torch.Tensor:
        """(S,) float32, nats: log-probs of the completions' tokens, in the order of the trees."""
        device = self.model.device
        columns = columns_of(trees, device)
        result = torch.empty(sum(tree.tokens for tree in trees), device=device)
        for batch in pack(trees, limits):
            moved = to_device(batch, device)
            result[columns.flat_index(moved)] = self.token_logprobs(moved, sampling)[0]
        return result

    @property
    def _head(self) -> torch.Tensor:
        weight: torch.Tensor = self.model.get_output_embeddings().weight
        return weight

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
        flat = self.tree_logprobs(trees, limits, HeadSettings()).cpu()
        return list(torch.split(flat, [len(ids) - 1 for ids in sequences]))

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


def predicting_rows(hidden: torch.Tensor, batch: PackedBatch) -> torch.Tensor:
    """(R, L, H) hidden states → (N, H): the one that predicts each target."""
    return hidden.flatten(0, 1).index_select(0, batch.source_index)


def to_device(batch: PackedBatch, device: torch.device) -> PackedBatch:
    """The same micro-batch on a device."""
    values = ((name, getattr(batch, name)) for name in PackedBatch.__slots__)
    moved: dict[str, Any] = {
        name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in values
    }
    return PackedBatch(**moved)
