"""Token losses. Every function takes `LossInputs` and gives `LossTerms`; reduction happens once, elsewhere.

A loss that has to know more than its own token (a whole completion's ratio, a rank among the step's tokens) names a
function in `OVER_STEP`. It is called once before an optimizer step with all of its tokens, so that no split of the
step can change what it finds, and the loss gets its answer per token.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from grpo.algorithm.losses.cispo import cispo
from grpo.algorithm.losses.clip_cov import clip_cov, kept_tokens
from grpo.algorithm.losses.clipped_ratio import clipped_ratio
from grpo.algorithm.losses.gspo import completion_means, gspo
from grpo.algorithm.losses.gspo_token import gspo_token
from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms, StepTokens
from grpo.algorithm.losses.kl_cov import kl_cov, penalty_sign
from grpo.algorithm.losses.reinforce import reinforce
from grpo.algorithm.losses.sapo import sapo

LossFunction = Callable[[LossInputs, LossSettings], LossTerms]
StepFunction = Callable[[StepTokens, LossSettings], torch.Tensor]

LOSSES: dict[str, LossFunction] = {
    "clipped_ratio": clipped_ratio,
    "gspo": gspo,
    "gspo_token": gspo_token,
    "cispo": cispo,
    "sapo": sapo,
    "reinforce": reinforce,
    "clip_cov": clip_cov,
    "kl_cov": kl_cov,
}
OVER_STEP: dict[str, StepFunction] = {
    "gspo": completion_means,
    "gspo_token": completion_means,
    "clip_cov": kept_tokens,
    "kl_cov": penalty_sign,
}
"""Loss to what it asks of the whole step, (S,) or (S, K) float32. Losses without a place here cost no extra pass."""

RATIOS_ALONE = ("gspo", "gspo_token")
"""Losses whose function in `OVER_STEP` looks at no log-prob but through its ratio to the old one: where that is 1, they
cost no extra pass either."""

COMPARES_TOKENS = ("clip_cov", "kl_cov")
"""Losses that set a token against the mean of the step's: tokens without an advantage are part of that mean."""

__all__ = [
    "COMPARES_TOKENS",
    "LOSSES",
    "OVER_STEP",
    "RATIOS_ALONE",
    "LossFunction",
    "LossInputs",
    "LossSettings",
    "LossTerms",
    "StepFunction",
    "StepTokens",
]
