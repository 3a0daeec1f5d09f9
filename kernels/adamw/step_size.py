"""The numbers of one step, derived once on the host in double precision."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSize:
    """Of one parameter's step number `step`, counted from 1 (Loshchilov and Hutter 2019, algorithm 2)."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    step: int
    grad_scale: float = 1.0
    """Multiplies the gradient: the clip factor, or the inverse of a loss scale."""

    @property
    def rate(self) -> float:
        """lr / (1 - beta1^step)."""
        return self.lr / (1.0 - self.beta1**self.step)

    @property
    def root_scale(self) -> float:
        """1 / sqrt(1 - beta2^step)."""
        return 1.0 / math.sqrt(1.0 - self.beta2**self.step)

    @property
    def keep(self) -> float:
        """1 - lr · weight_decay, the share of the weight that decoupled decay leaves."""
        return 1.0 - self.lr * self.weight_decay
