"""Per-completion and per-token facts of one optimizer step, looked up by a micro-batch's indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from grpo.algorithm.reductions import TokenCounts
from grpo.types import PackedBatch
from grpo.update.experience import Branch, Tree
from grpo.update.objective import TokenFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class StepColumns:
    """C completions with Σ len = S tokens, in the order of the trees."""

    length: torch.Tensor
    """(C,) int64 tokens."""
    start: torch.Tensor
    """(C,) int64: where the completion's tokens begin in a flat (S,) tensor."""
    prompt_tokens: torch.Tensor
    """(C,) int64: tokens of all completions of its prompt."""
    advantage: torch.Tensor
    """(S,) float32."""
    sampler_logprob: torch.Tensor
    """(S,) float32 nats."""
    reference_logprob: torch.Tensor | None = None
    """(S,) float32 nats of the reference, where the loss has a KL term."""
    old_logprob: torch.Tensor | None = None
    """(S,) float32 nats before the rollout's first optimizer step; None where that is this one."""
    importance_ratio: torch.Tensor | None = None
    """(S,) float32: trainer to sampler over whole completions, see `LEVELS` of corrections; None: token by token."""
    over_step: torch.Tensor | None = None
    """(S,) float32: what the loss asked of the whole step; None: nothing."""

    def flat_index(self, batch: PackedBatch) -> torch.Tensor:
        """(N,) int64: place of each of the batch's tokens in a flat (S,) tensor."""
        return self.start[batch.completion_index] + batch.token_offset

    def completion(self) -> torch.Tensor:
        """(S,) int64: the completion each token belongs to."""
        return torch.repeat_interleave(torch.arange(len(self.length), device=self.length.device), self.length)

    def facts(self, batch: PackedBatch) -> TokenFacts:
        """What is known of the batch's tokens before the forward pass."""
        flat = self.flat_index(batch)
        return TokenFacts(
            counts=TokenCounts(
                completion=self.length[batch.completion_index], prompt=self.prompt_tokens[batch.completion_index]
            ),
            advantage=self.advantage[flat],
            sampler=self.sampler_logprob[flat],
            old=None if self.old_logprob is None else self.old_logprob[flat],
            reference=None if self.reference_logprob is None else self.reference_logprob[flat],
            importance_ratio=None if self.importance_ratio is None else self.importance_ratio[flat],
            over_step=None if self.over_step is None else self.over_step[flat],
        )


def columns_of(trees: Sequence[Tree], device: torch.device) -> StepColumns:
    """The columns of `trees` on a device."""
    branches = [branch for tree in trees for branch in tree.branches]
    length = torch.tensor([len(branch.token_ids) for branch in branches], dtype=torch.int64)
    of_prompt = [tree.tokens for tree in trees for _ in tree.branches]
    advantages = [value for branch in branches for value in per_token(branch)]
    flat = [value for branch in branches for value in branch.sampler_logprobs]
    return StepColumns(
        length=length.to(device),
        start=(length.cumsum(0) - length).to(device),
        prompt_tokens=torch.tensor(of_prompt, dtype=torch.int64).to(device),
        advantage=torch.tensor(advantages, dtype=torch.float32).to(device),
        sampler_logprob=torch.tensor(flat, dtype=torch.float32).to(device),
    )


def per_token(branch: Branch) -> Iterator[float]:
    """(T,) advantages of a completion's tokens."""
    count = len(branch.token_ids)
    values = branch.advantage if isinstance(branch.advantage, tuple) else (branch.advantage,) * count
    assert len(values) == count, (len(values), count)
    return iter(values)
