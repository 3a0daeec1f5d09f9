"""The head, the loss and both of their gradients in one pass over the vocabulary: three matrix products.

For a loss that is a sum over tokens, d loss / d logprob_t is known as soon as row t's own log-sum-exp is, so the
logits of a chunk become their own gradient in place, and dX and dW follow at once: nothing is recomputed, no (N, V)
tensor exists, and dW is summed in float32 over all chunks (and micro-batches) in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .chunks import Head, HeadSettings, ops_for, rows_at_once
from .ops import Upstream

Objective = Callable[[torch.Tensor, torch.Tensor, slice], torch.Tensor]
"""(logprob (n,), entropy (n,), which of the N tokens) → loss (), a sum over these tokens alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLoss:
    """Of N tokens."""

    loss: torch.Tensor
    """() float64, summed over the chunks; without a graph."""
    logprob: torch.Tensor
    """(N,) float32, nats."""
    entropy: torch.Tensor
    """(N,) float32, nats."""
    hidden_gradient: torch.Tensor
    """(N, H) in the dtype of the hidden states: d loss / d hidden."""


def head_loss(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    targets: torch.Tensor,
    objective: Objective,
    settings: HeadSettings | None = None,
) -> HeadLoss:
    """`objective` over N tokens, given hidden states (N, H), the head's weight (V, H) and the sampled tokens (N,).

    Where the weight wants a gradient, its own is added to `weight.grad` in float32, whatever the weight's dtype; a
    frozen weight costs two products instead of three. Raises ValueError for shapes that do not fit.
    """
    check_shapes(hidden, weight, targets)
    head = Head(hidden=hidden.detach(), weight=weight.detach(), targets=targets)
    settings = settings or HeadSettings()
    ops = ops_for(head.weight)
    total = float32_gradient(weight) if weight.requires_grad else None
    loss = torch.zeros((), dtype=torch.float64, device=hidden.device)
    logprob, entropy = torch.empty(2, hidden.shape[0], device=hidden.device).unbind()
    hidden_gradient = torch.empty_like(head.hidden)
    for rows, logits in head.chunks(rows_at_once(head.weight, ops)):
        sampled = settings.rows(logits, targets[rows])
        found = ops.statistics(logits, sampled)
        logprob[rows], entropy[rows] = found.logprob, found.entropy
        part, upstream = derive(objective, logprob[rows], entropy[rows], rows)
        loss += part
        ops.gradient_(logits, sampled, found, upstream)
        torch.mm(logits, head.weight, out=hidden_gradient[rows])
        if total is not None:
            ops.add_outer_(total, logits, head.hidden[rows])
    return HeadLoss(loss=loss, logprob=logprob, entropy=entropy, hidden_gradient=hidden_gradient)


def derive(
    objective: Objective, logprob: torch.Tensor, entropy: torch.Tensor, rows: slice
) -> tuple[torch.Tensor, Upstream]:
    """The objective's value on some tokens and its derivatives there; autograd sees (n,) tensors only."""
    with torch.enable_grad():
        logprob, entropy = (one.detach().requires_grad_() for one in (logprob, entropy))
        value = objective(logprob, entropy, rows)
        by_logprob, by_entropy = torch.autograd.grad(value, (logprob, entropy), allow_unused=True)
    if by_logprob is None:
        by_logprob = torch.zeros_like(logprob)
    return value.detach(), Upstream(logprob=by_logprob.contiguous(), entropy=by_entropy)


def float32_gradient(weight: torch.Tensor) -> torch.Tensor:
    """`weight.grad`, made zero where there is none, in float32: partial sums are never rounded to 16 bits."""
    if weight.grad is None or weight.grad.dtype != torch.float32:
        held = weight.grad
        weight.grad = None
        weight.grad_dtype = torch.float32
        weight.grad = torch.zeros_like(weight, dtype=torch.float32) if held is None else held.float()
    return weight.grad


def check_shapes(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> None:
    """Raises ValueError saying which do not fit."""
    shapes = f"hidden {tuple(hidden.shape)}, weight {tuple(weight.shape)}, targets {tuple(targets.shape)}"
    if hidden.ndim != 2 or weight.ndim != 2 or hidden.shape[1] != weight.shape[1]:
        raise ValueError(f"hidden (N, H) and weight (V, H) must share H: {shapes}")
    if targets.shape != hidden.shape[:1]:
        raise ValueError(f"targets must be (N,): {shapes}")
    if hidden.dtype != weight.dtype:
        raise ValueError(f"hidden and weight must be of one dtype, got {hidden.dtype} and {weight.dtype}")
