"""Supervised fine-tuning: the same packed stream, cross-entropy on the demonstrations' tokens."""

from __future__ import annotations

from collections.abc import Sequence

from grpo.update.experience import Tree
from grpo.update.optimizer import Optimizer
from grpo.update.packing import PackingLimits, pack
from grpo.update.policy import Policy, to_device


def supervised_step(
    policy: Policy, optimizer: Optimizer, demonstrations: Sequence[Tree], limits: PackingLimits
) -> dict[str, float]:
    """One optimizer step on the mean negative log-prob over all tokens of the step; raises NonFiniteError."""
    tokens = sum(tree.tokens for tree in demonstrations)
    total = 0.0
    for batch in pack(demonstrations, limits):
        logprob, _ = policy.token_logprobs(to_device(batch, policy.model.device), temperature=1.0)
        loss = -logprob.sum() / tokens
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.item()
    norm, rate = optimizer.step()
    return {"loss": total, "grad_norm": norm, "learning_rate": rate}
