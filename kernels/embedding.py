"""The input embedding, whose gradient goes straight into `weight.grad`.

PyTorch's backward pass forms a dense (V, H) gradient for every micro-batch and adds it to the one that is there: at a
vocabulary of 152,000 that is the largest tensor of a small model's update, mostly zeros. Only the rows of tokens that
occur are touched here, which also keeps a tied head's float32 gradient as it is.
"""

from __future__ import annotations

from typing import Any

import torch


def embed(token_ids: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Rows of `weight` (V, H) for `token_ids` of any shape (...) → (..., H).

    The backward pass adds to `weight.grad` itself (made in the weight's dtype where there is none), so hooks on the
    weight's gradient do not see it, and `torch.autograd.grad` with respect to the weight gives None.
    """
    if not (weight.requires_grad and torch.is_grad_enabled()):
        return torch.nn.functional.embedding(token_ids, weight)
    result: torch.Tensor = _Embed.apply(weight, token_ids)  # type: ignore[no-untyped-call]
    return result


class _Embed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
        ctx.weight = weight
        ctx.save_for_backward(token_ids)
        return torch.nn.functional.embedding(token_ids, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None]:
        [gradient], [token_ids], weight = gradients, ctx.saved_tensors, ctx.weight
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight, memory_format=torch.contiguous_format)
        rows = gradient.reshape(-1, weight.shape[1]).float()
        # One sum per distinct token, in the order of the stream: each row of the gradient is then added to once, so
        # that the result does not depend on the order in which a device's threads arrive.
        present, place = token_ids.reshape(-1).unique(return_inverse=True)
        sums = torch.ops.aten.embedding_dense_backward(rows, place, present.numel(), -1, False)
        weight.grad.index_add_(0, present, sums.to(weight.grad.dtype))
        return None, None
