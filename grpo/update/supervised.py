"""Supervised fine-tuning: the same packed stream, cross-entropy on the demonstrations' tokens."""

from __future__ import annotations

from collections.abc import Sequence

from grpo.kernels.token_logprob import HeadSettings
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
        moved = to_device(batch, policy.model.device)
        found = policy.learn(moved, HeadSettings(), lambda logprob, entropy, rows: -logprob.sum() / tokens)
        total += found.loss.item()
    norm, rate = optimizer.step()
    return {"loss": total, "grad_norm": norm, "learning_rate": rate}
