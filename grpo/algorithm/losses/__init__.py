"""Token losses. Every function takes `LossInputs` and gives `LossTerms`; reduction happens once, elsewhere.

A loss that has to know more than its own token (a whole completion's ratio, a rank among the step's tokens) names a
function in `OVER_STEP`. It is called once before an optimizer step with all of its tokens, so that no split of the
step can change what it finds, and the loss gets its answer per token.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from grpo.algorithm.losses.clipped_ratio import clipped_ratio
from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms, StepTokens

LossFunction = Callable[[LossInputs, LossSettings], LossTerms]
StepFunction = Callable[[StepTokens, LossSettings], torch.Tensor]

LOSSES: dict[str, LossFunction] = {
    "clipped_ratio": clipped_ratio,
}
OVER_STEP: dict[str, StepFunction] = {}
"""Loss to what it asks of the whole step: (S,) float32. Without a place here no extra forward pass is made."""

__all__ = [
    "LOSSES",
    "OVER_STEP",
    "LossFunction",
    "LossInputs",
    "LossSettings",
    "LossTerms",
    "StepFunction",
    "StepTokens",
]
