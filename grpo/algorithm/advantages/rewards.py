"""What an advantage function sees: the rewards of one whole optimizer step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Advantage = float | tuple[float, ...]
"""Of a completion, or of each of its tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRewards:
    """P groups of up to G scored completions each, the same in every field."""

    totals: Sequence[Sequence[float]]
    """What the reward functions gave."""
    lengths: Sequence[Sequence[int]]
    """Tokens of each completion."""
    penalties: Sequence[Sequence[Sequence[float]]] | None = None
    """kl_coef · k1 of every token, where the KL penalty is part of the reward; None: it is not."""

    @property
    def rewards(self) -> list[list[float]]:
        """One number a completion: its total less the sum of its penalties."""
        if self.penalties is None:
            return [list(group) for group in self.totals]
        return [
            [total - math.fsum(penalty) for total, penalty in zip(group, penalties, strict=True)]
            for group, penalties in zip(self.totals, self.penalties, strict=True)
        ]
