"""AdamW written out: the oracle that every other form is compared with."""

from __future__ import annotations

import torch

from .step_size import StepSize


def adamw_reference(
    weight: torch.Tensor, grad: torch.Tensor, first: torch.Tensor, second: torch.Tensor, size: StepSize
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """New (weight, first moment, second moment), all of one shape, in the precision of what is given.

    m = b1·m + (1 - b1)·g      v = b2·v + (1 - b2)·g²
    w = w·(1 - lr·decay) - lr · (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
    """
    g = grad.to(weight.dtype) * size.grad_scale
    first = size.beta1 * first + (1 - size.beta1) * g
    second = size.beta2 * second + (1 - size.beta2) * g * g
    unbiased_first = first / (1 - size.beta1**size.step)
    unbiased_second = second / (1 - size.beta2**size.step)
    weight = weight * (1 - size.lr * size.weight_decay) - size.lr * unbiased_first / (unbiased_second.sqrt() + size.eps)
    return weight, first, second
