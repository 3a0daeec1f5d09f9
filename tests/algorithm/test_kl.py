"""Values, gradients and expectations of the KL estimates, worked out by hand or over a whole small vocabulary."""

from __future__ import annotations

import pytest
import torch

from grpo.algorithm.kl import ESTIMATORS


@pytest.mark.parametrize(
    ("name", "value", "gradient"),
    [
        ("k1", 0.2, 1.0),
        ("k2", 0.02, 0.2),
        ("k3", 0.0187308, 0.1812692),  # exp(-0.2) + 0.2 - 1, and 1 - exp(-0.2)
        ("k3_unbiased", 0.0207007, 0.2210342),  # times exp(0.1), and exp(0.1) · 0.2
    ],
)
def test_golden(name: str, value: float, gradient: float) -> None:
    """logprob -1.0, reference -1.2, old -1.1."""
    logprob = torch.tensor([-1.0], requires_grad=True)
    found = ESTIMATORS[name](logprob, torch.tensor([-1.2]), torch.tensor([-1.1]))
    [slope] = torch.autograd.grad(found.sum(), logprob)
    assert found.item() == pytest.approx(value, abs=2e-7)
    assert slope.item() == pytest.approx(gradient, abs=2e-7)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_nothing_where_policy_and_reference_agree(name: str) -> None:
    same = torch.tensor([-0.3, -7.0])
    assert ESTIMATORS[name](same, same, torch.tensor([-0.5, -6.0])).tolist() == [0.0, 0.0]


LOGITS, OLD, REFERENCE = (
    torch.log_softmax(torch.tensor(row, dtype=torch.float64), -1)
    for row in ([0.3, -1.0, 0.8, 0.1], [0.0, -0.4, 0.9, -0.3], [-0.5, 0.2, 0.4, 1.0])
)


def expected_gradient(name: str, sampled_from: torch.Tensor) -> torch.Tensor:
    """The exact mean, over tokens drawn from a distribution, of the estimate's gradient with respect to the logits."""
    logits = LOGITS.clone().requires_grad_()
    values = ESTIMATORS[name](torch.log_softmax(logits, -1), REFERENCE, sampled_from)
    return torch.autograd.grad((sampled_from.exp() * values).sum(), logits)[0]


def true_gradient() -> torch.Tensor:
    logits = LOGITS.clone().requires_grad_()
    logprob = torch.log_softmax(logits, -1)
    return torch.autograd.grad((logprob.exp() * (logprob - REFERENCE)).sum(), logits)[0]


def test_which_estimates_have_the_gradient_of_the_kl_as_a_loss() -> None:
    truth = true_gradient()
    torch.testing.assert_close(expected_gradient("k2", LOGITS), truth)
    torch.testing.assert_close(expected_gradient("k3_unbiased", LOGITS), truth)
    torch.testing.assert_close(expected_gradient("k3_unbiased", OLD), truth)  # off-policy too
    assert expected_gradient("k1", LOGITS).abs().max() < 1e-12 < truth.abs().max()  # no penalty at all
    assert (expected_gradient("k3", LOGITS) - truth).abs().max() > 0.01
    assert (expected_gradient("k2", OLD) - truth).abs().max() > 0.01


def test_which_estimates_have_the_value_of_the_kl() -> None:
    truth = (LOGITS.exp() * (LOGITS - REFERENCE)).sum()
    for name in ("k1", "k3", "k3_unbiased"):
        torch.testing.assert_close((LOGITS.exp() * ESTIMATORS[name](LOGITS, REFERENCE, LOGITS)).sum(), truth)
    torch.testing.assert_close((OLD.exp() * ESTIMATORS["k3_unbiased"](LOGITS, REFERENCE, OLD)).sum(), truth)
