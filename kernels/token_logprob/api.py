"""Log-probs that anything may be done with: the form for scoring, and for losses over whole sequences."""

from __future__ import annotations

from typing import Any

import torch

from .chunks import Head, HeadSettings, ops_for, rows_at_once
from .one_pass import check_shapes
from .ops import RowStatistics, Upstream


def token_logprob(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, settings: HeadSettings | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-prob and entropy (N,), float32, nats, of `targets` (N,) under softmax(hidden·weightᵀ / temperature).

    hidden (N, H), weight (V, H). Both results carry gradients; the backward pass forms the logits again, so where
    the loss is a sum over tokens `head_loss` is cheaper. Raises ValueError for shapes that do not fit.
    """
    check_shapes(hidden, weight, targets)
    logprob, entropy = _TokenLogprob.apply(hidden, weight, targets, settings or HeadSettings())  # type: ignore[no-untyped-call]
    return logprob, entropy


class _TokenLogprob(torch.autograd.Function):
    """Keeps four floats a row for the backward pass, no logits."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, settings: HeadSettings
    ) -> tuple[torch.Tensor, torch.Tensor]:
        head = Head(hidden=hidden, weight=weight, targets=targets)
        ops = ops_for(weight)
        largest, log_sum, logprob, entropy = torch.empty(4, hidden.shape[0], device=hidden.device).unbind()
        for rows, logits in head.chunks(rows_at_once(weight, ops)):
            found = ops.statistics(logits, settings.rows(logits, targets[rows]))
            largest[rows], log_sum[rows] = found.largest, found.log_sum
            logprob[rows], entropy[rows] = found.logprob, found.entropy
        ctx.save_for_backward(hidden, weight, targets, largest, log_sum, logprob.clone(), entropy.clone())
        ctx.settings = settings
        ctx.set_materialize_grads(False)
        return logprob, entropy

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, targets, *statistics = ctx.saved_tensors
        if upstream == (None, None):
            return None, None, None, None
        by_logprob = torch.zeros_like(statistics[0]) if upstream[0] is None else upstream[0].contiguous()
        by_entropy = None if upstream[1] is None else upstream[1].contiguous()
        ops = ops_for(weight)
        total = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        hidden_gradient = torch.empty_like(hidden)
        for rows, logits in Head(hidden=hidden, weight=weight, targets=targets).chunks(rows_at_once(weight, ops)):
            largest, log_sum, logprob, entropy = (one[rows] for one in statistics)
            found = RowStatistics(largest=largest, log_sum=log_sum, logprob=logprob, entropy=entropy)
            slopes = Upstream(logprob=by_logprob[rows], entropy=None if by_entropy is None else by_entropy[rows])
            ops.gradient_(logits, ctx.settings.rows(logits, targets[rows]), found, slopes)
            torch.mm(logits, weight, out=hidden_gradient[rows])
            if total is not None:
                ops.add_outer_(total, logits, hidden[rows])
        return hidden_gradient, None if total is None else total.to(weight.dtype), None, None
