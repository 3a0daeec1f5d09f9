"""The correctness gate: who does not compute the same loss and gradient gets no figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Of the loss in units of the mean |token loss|, of the gradient relative to the reference's norm."""

    loss: float
    norm: float
    """|‖g‖ - ‖reference‖| / ‖reference‖."""
    difference: float
    """‖g - reference‖ / ‖reference‖."""


HEAD_TOLERANCES = {
    "float32": Tolerance(loss=1e-5, norm=1e-4, difference=1e-3),
    "bfloat16": Tolerance(loss=2e-3, norm=5e-3, difference=2e-2),
}
"""One matrix product and a softmax; rounding the logits to bfloat16 alone gives a difference of about 0.004."""
UPDATE_TOLERANCES = {
    "float32": Tolerance(loss=1e-5, norm=1e-4, difference=1e-3),
    "bfloat16": Tolerance(loss=5e-3, norm=2e-2, difference=4e-2),
}
"""A whole model, whose layers each round their activations: 12 layers give a difference of 0.012, ours and TRL's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far a rival is from float64."""

    loss: float
    gradient_norm: float
    loss_error: float
    norm_error: float
    difference: float

    def failure(self, tolerance: Tolerance) -> str | None:
        """What is off, or None. A NaN is off."""
        measured = {"loss": self.loss_error, "norm": self.norm_error, "difference": self.difference}
        off = [
            f"{name} error {value:.2g}, allowed {getattr(tolerance, name):.2g}"
            for name, value in measured.items()
            if not value <= getattr(tolerance, name)
        ]
        return "; ".join(off) or None

    def record(self) -> dict[str, Any]:
        return {name: float(f"{value:.8g}") for name, value in asdict(self).items()}


def judge(loss: tuple[float, float], scale: float, gradients: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Verdict:
    """`loss` and each of `gradients`: (found, reference). `scale`: the mean |token loss|."""
    found_square = reference_square = difference_square = 0.0
    for found, reference in gradients:
        assert found.shape == reference.shape, (found.shape, reference.shape)
        for one, other in zip(_pieces(found), _pieces(reference), strict=True):
            one, other = one.double(), other.double()
            found_square += float(one.square().sum())
            reference_square += float(other.square().sum())
            difference_square += float((one - other).square().sum())
    norm, reference_norm = found_square**0.5, reference_square**0.5
    return Verdict(
        loss=loss[0],
        gradient_norm=norm,
        loss_error=abs(loss[0] - loss[1]) / scale,
        norm_error=abs(norm - reference_norm) / reference_norm,
        difference=difference_square**0.5 / reference_norm,
    )


def _pieces(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A few MB each, so that judging needs no second copy of the gradient."""
    return tensor.detach().reshape(-1).split(2**20)
