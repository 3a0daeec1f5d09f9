"""The head benchmark's inputs are what they claim, and their float64 result is autograd's."""

from __future__ import annotations

import pytest
import torch

from benchmarks.head.problem import CLIP, HeadProblem, HeadShape, make_problem, objective

CPU = torch.device("cpu")


def as_double(problem: HeadProblem) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    hidden, weight = problem.hidden.double().requires_grad_(), problem.weight.double().requires_grad_()
    logprob = torch.log_softmax(hidden @ weight.T, -1).gather(-1, problem.targets[:, None]).squeeze(-1)
    return hidden, weight, logprob


def test_the_reference_is_the_gradient_that_autograd_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.head.problem.CHUNK_ELEMENTS", 7 * 300)  # several chunks, the last one short
    problem, reference, scale = make_problem(HeadShape(tokens=40, hidden=32, vocab=300, dtype="float32"), 1, CPU)
    hidden, weight, logprob = as_double(problem)
    ratio = torch.exp(logprob - problem.old_logprob.double())
    advantage = problem.advantage.double()
    losses = -torch.minimum(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage)
    loss = losses.mean()
    loss.backward()
    assert hidden.grad is not None and weight.grad is not None
    assert float(reference.loss) == pytest.approx(loss.item(), rel=1e-12)
    assert scale == pytest.approx(float(losses.detach().abs().mean()), rel=1e-12)
    torch.testing.assert_close(reference.d_hidden, hidden.grad, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(reference.d_weight, weight.grad, rtol=1e-9, atol=1e-15)


def test_four_rows_in_five_are_peaked_and_some_tokens_are_clipped() -> None:
    problem, reference, _ = make_problem(HeadShape(tokens=2000, hidden=256, vocab=5000, dtype="float32"), 0, CPU)
    _, _, logprob = as_double(problem)
    chosen = logprob.detach().exp()
    peaked = (chosen > 0.4) & (chosen <= 0.9995)
    assert 0.75 < float(peaked.double().mean()) < 0.85
    assert 0.7 < float(chosen[peaked].mean()) < 0.8  # drawn evenly from [0.5, 0.999]
    assert float(chosen[~peaked].max()) < 0.05
    still = reference.d_hidden.abs().sum(-1) == 0
    assert 0.1 < float(still.double().mean()) < 0.3
    ratio = torch.exp(logprob.detach() - problem.old_logprob)
    assert float((ratio.log() - torch.tensor(1 + CLIP).log()).abs().min()) > 0.05  # rounding decides nothing


def test_the_objective_of_parts_adds_up() -> None:
    problem, reference, _ = make_problem(HeadShape(tokens=24, hidden=16, vocab=100, dtype="float32"), 2, CPU)
    logprob = as_double(problem)[2].detach()
    parts = [objective(logprob[rows], problem, rows) for rows in (slice(0, 10), slice(10, 24))]
    assert float(sum(parts)) == pytest.approx(float(objective(logprob, problem)), rel=1e-6)
    assert float(sum(parts)) == pytest.approx(float(reference.loss), rel=1e-5)


def test_the_same_seed_gives_the_same_problem_and_another_another() -> None:
    shape = HeadShape(tokens=16, hidden=8, vocab=64)
    one, again, other = (make_problem(shape, seed, CPU)[0] for seed in (1, 1, 2))
    assert torch.equal(one.hidden, again.hidden) and torch.equal(one.weight, again.weight)
    assert not torch.equal(one.targets, other.targets)
    assert one.weight.dtype == torch.bfloat16


def test_tokens_must_fill_the_completions() -> None:
    with pytest.raises(ValueError, match="multiple of 8, got 20"):
        HeadShape(tokens=20, hidden=8, vocab=64)
