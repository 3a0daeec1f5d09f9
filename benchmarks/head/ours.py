"""The one place where the benchmark calls this project's head."""

from __future__ import annotations

from benchmarks.head.problem import HeadOutput, HeadProblem, objective
from grpo.kernels.token_logprob import head_loss


def head(problem: HeadProblem) -> HeadOutput:
    """Loss and gradients as the update computes them; dW is float32."""
    weight = problem.weight.detach().requires_grad_()
    result = head_loss(
        problem.hidden, weight, problem.targets, lambda logprob, entropy, rows: objective(logprob, problem, rows)
    )
    assert weight.grad is not None
    return HeadOutput(loss=result.loss, d_hidden=result.hidden_gradient, d_weight=weight.grad)
