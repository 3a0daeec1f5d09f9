"""The one place where the benchmark calls this project's head."""

from __future__ import annotations

import torch

from benchmarks.head.problem import HeadOutput, HeadProblem, objective
from grpo.kernels import token_logprob as kernel


def head(problem: HeadProblem) -> HeadOutput:
    """Loss and gradients as the update computes them."""
    if not hasattr(kernel, "head_loss"):
        return _before_one_pass(problem)
    weight = problem.weight.detach().requires_grad_()
    result = kernel.head_loss(
        problem.hidden, weight, problem.targets, lambda logprob, entropy, rows: objective(logprob, problem, rows)
    )
    assert weight.grad is not None
    return HeadOutput(loss=result.loss, d_hidden=result.hidden_gradient, d_weight=weight.grad)


def _before_one_pass(problem: HeadProblem) -> HeadOutput:
    hidden, weight = problem.hidden.detach().requires_grad_(), problem.weight.detach().requires_grad_()
    loss = objective(kernel.token_logprob(hidden, weight, problem.targets)[0], problem)
    torch.autograd.backward(loss)
    assert hidden.grad is not None and weight.grad is not None
    return HeadOutput(loss=loss.detach(), d_hidden=hidden.grad, d_weight=weight.grad)
