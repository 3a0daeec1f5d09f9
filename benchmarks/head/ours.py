"""The one place where the benchmark calls this project's head."""

from __future__ import annotations

import torch

from benchmarks.head.problem import HeadOutput, HeadProblem, objective
from grpo.kernels.token_logprob import token_logprob


def head(problem: HeadProblem) -> HeadOutput:
    """Loss and gradients as the update computes them."""
    hidden, weight = problem.hidden.detach().requires_grad_(), problem.weight.detach().requires_grad_()
    loss = objective(token_logprob(hidden, weight, problem.targets)[0], problem)
    torch.autograd.backward(loss)
    assert hidden.grad is not None and weight.grad is not None
    return HeadOutput(loss=loss.detach(), d_hidden=hidden.grad, d_weight=weight.grad)
