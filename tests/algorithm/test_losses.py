"""Hand-computed loss and gradient of the clipped ratio, clip range 0.2 below and 0.28 above.

d(-r·A)/d(logprob) = -r·A where the unclipped branch is taken, 0 where the clipped one is.
"""

from __future__ import annotations

import math

import pytest
import torch

from grpo.algorithm.kl import k3
from grpo.algorithm.losses import LOSSES, LossInputs, LossSettings

SETTINGS = LossSettings(clip_low=0.2, clip_high=0.28)
#        ratio, advantage, loss,   gradient, clipped low, clipped high
CASES = [
    (1.00, 2.0, -2.00, -2.00, False, False),  # on-policy: the policy gradient itself
    (1.00, -1.5, 1.50, 1.50, False, False),
    (1.50, 2.0, -2.56, 0.00, False, True),  # 1.28 · 2: no reward for going further
    (1.50, -2.0, 3.00, 3.00, False, False),  # min takes the worse branch: the gradient stays
    (0.50, 2.0, -1.00, -1.00, False, False),
    (0.50, -2.0, 1.60, 0.00, True, False),  # 0.8 · 2
    (1.20, 1.0, -1.20, -1.20, False, False),  # inside the wider upper range
    (0.85, -1.0, 0.85, 0.85, False, False),
]


@pytest.mark.parametrize(("ratio", "advantage", "loss", "gradient", "low", "high"), CASES)
def test_clipped_ratio_golden(
    ratio: float, advantage: float, loss: float, gradient: float, low: bool, high: bool
) -> None:
    old = torch.tensor([-1.0])
    new = (old + math.log(ratio)).requires_grad_()
    terms = LOSSES["clipped_ratio"](
        LossInputs(logprob=new, old_logprob=old, advantage=torch.tensor([advantage])), SETTINGS
    )
    terms.loss.sum().backward()
    assert new.grad is not None
    assert terms.loss.item() == pytest.approx(loss, abs=1e-6)
    assert new.grad.item() == pytest.approx(gradient, abs=1e-6)
    assert (terms.clipped_low.item(), terms.clipped_high.item()) == (low, high)


def test_k3_golden() -> None:
    """logprob -1.0 against -1.2: exp(-0.2) + 0.2 - 1 = 0.0187308."""
    assert k3(torch.tensor([-1.0]), torch.tensor([-1.2]), torch.tensor([-1.0])).item() == pytest.approx(
        0.0187308, abs=1e-7
    )
