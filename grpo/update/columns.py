"""Per-completion and per-token facts of one optimizer step, looked up by a micro-batch's indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from grpo.types import PackedBatch
from grpo.update.experience import Tree
from grpo.update.objective import TokenFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class StepColumns:
    """C completions with Σ len = S tokens, in the order of the trees."""

    advantage: torch.Tensor
    """(C,) float32."""
    length: torch.Tensor
    """(C,) int64 tokens."""
    start: torch.Tensor
    """(C,) int64: where the completion's tokens begin in a flat (S,) tensor."""
    sampler_logprob: torch.Tensor
    """(S,) float32 nats."""
    reference_logprob: torch.Tensor | None = None
    """(S,) float32 nats of the reference, where the loss has a KL term."""

    def flat_index(self, batch: PackedBatch) -> torch.Tensor:
        """(N,) int64: place of each of the batch's tokens in a flat (S,) tensor."""
        return self.start[batch.completion_index] + batch.token_offset

    def facts(self, batch: PackedBatch, old: torch.Tensor | None = None) -> TokenFacts:
        """What is known of the batch's tokens before the forward pass; `old` is flat, (S,)."""
        flat = self.flat_index(batch)
        return TokenFacts(
            advantage=self.advantage[batch.completion_index],
            length=self.length[batch.completion_index],
            sampler=self.sampler_logprob[flat],
            old=None if old is None else old[flat],
            reference=None if self.reference_logprob is None else self.reference_logprob[flat],
        )


def columns_of(trees: Sequence[Tree], device: torch.device) -> StepColumns:
    """The columns of `trees` on a device."""
    branches = [branch for tree in trees for branch in tree.branches]
    length = torch.tensor([len(branch.token_ids) for branch in branches], dtype=torch.int64)
    flat = [value for branch in branches for value in branch.sampler_logprobs]
    return StepColumns(
        advantage=torch.tensor([branch.advantage for branch in branches], dtype=torch.float32).to(device),
        length=length.to(device),
        start=(length.cumsum(0) - length).to(device),
        sampler_logprob=torch.tensor(flat, dtype=torch.float32).to(device),
    )
