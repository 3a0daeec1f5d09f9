"""The gate lets the right gradient through and stops each way of being wrong."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.gate import Tolerance, judge

TOLERANCE = Tolerance(loss=0.01, norm=0.01, difference=0.02)
REFERENCE = torch.tensor([[3.0, 0.0], [0.0, 4.0]], dtype=torch.float64)


def failure(loss: float, gradient: torch.Tensor) -> str | None:
    return judge((loss, 0.5), 2.0, [(gradient, REFERENCE)]).failure(TOLERANCE)


def test_figures_by_hand() -> None:
    found = judge(
        (0.51, 0.5), 2.0, [(torch.tensor([3.0]), torch.tensor([3.0])), (torch.tensor([0.0]), torch.tensor([4.0]))]
    )
    assert found.loss_error == pytest.approx(0.005)
    assert (found.gradient_norm, found.norm_error, found.difference) == pytest.approx((3.0, 0.4, 0.8))


def test_the_right_one_passes() -> None:
    assert failure(0.5, REFERENCE.float()) is None
    assert failure(0.515, REFERENCE * 1.005) is None


@pytest.mark.parametrize(
    ("loss", "gradient", "word"),
    [
        (0.53, REFERENCE, "loss"),
        (0.5, REFERENCE * 1.02, "norm"),
        (0.5, REFERENCE.flip(0), "difference"),
        (0.5, -REFERENCE, "difference"),
        (math.nan, REFERENCE, "loss"),
        (0.5, REFERENCE * math.nan, "norm"),
    ],
)
def test_the_wrong_ones_do_not(loss: float, gradient: torch.Tensor, word: str) -> None:
    reason = failure(loss, gradient)
    assert reason is not None and word in reason


def test_large_gradients_are_judged_whole() -> None:
    """Pieces of 2**20 entries: an error in the last one counts."""
    reference = torch.ones(2**20 + 5)
    wrong = reference.clone()
    wrong[-1] = 1000.0
    assert judge((0.0, 0.0), 1.0, [(wrong, reference)]).difference == pytest.approx(
        999 / len(reference) ** 0.5, rel=1e-6
    )
