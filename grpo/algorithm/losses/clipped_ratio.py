"""The clipped token loss of GRPO (arXiv 2402.03300, eq. 3), as in PPO (arXiv 1707.06347, eq. 7)."""

from __future__ import annotations

import torch

from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms


def clipped_ratio(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """-min(r·A, clip(r, 1 - low, 1 + high)·A) with r = exp(logprob - old_logprob)."""
    ratio = torch.exp(inputs.logprob - inputs.old_logprob)
    bounded = torch.clamp(ratio, 1 - settings.clip_low, 1 + settings.clip_high)
    advantage = inputs.advantage
    return LossTerms(
        loss=-torch.minimum(ratio * advantage, bounded * advantage),
        clipped_low=(advantage < 0) & (ratio < 1 - settings.clip_low),
        clipped_high=(advantage > 0) & (ratio > 1 + settings.clip_high),
    )
