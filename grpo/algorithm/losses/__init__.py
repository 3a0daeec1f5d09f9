"""Token losses. Every function takes `LossInputs` and gives `LossTerms`; reduction happens once, elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from grpo.algorithm.losses.clipped_ratio import clipped_ratio
from grpo.algorithm.losses.inputs import ClipRange, LossInputs, LossTerms

LossFunction = Callable[[LossInputs, ClipRange], LossTerms]

LOSSES: dict[str, LossFunction] = {
    "clipped_ratio": clipped_ratio,
}

__all__ = ["LOSSES", "ClipRange", "LossFunction", "LossInputs", "LossTerms"]
