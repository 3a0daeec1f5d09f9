"""The clipped surrogate of PPO, for whatever a loss takes as its ratio."""

from __future__ import annotations

import torch

from grpo.algorithm.losses.inputs import LossSettings, LossTerms


def clipped_surrogate(ratio: torch.Tensor, advantage: torch.Tensor, settings: LossSettings) -> LossTerms:
    """-min(r·A, clip(r, 1 - clip_low, 1 + clip_high)·A) of PPO (arXiv 1707.06347, eq. 7), then dual clip.

    Dual clip (Ye et al. 2020, arXiv 1912.09729, section on dual-clip PPO): where A < 0 the loss is at most -c·A, c =
    `dual_clip`; 0 is off. verl's default c is 3. INTELLECT-2 (arXiv 2505.07291, two-sided GRPO clipping) writes
    min(r, delta) in the first term instead: the same for delta = c >= 1 + clip_high, and its delta is 4.

    ratio, advantage (N,) → (N,). Flags: no gradient, see `LossTerms`; what dual clip stops is `clipped_high`.
    """
    low, high = 1 - settings.clip_low, 1 + settings.clip_high
    loss = -torch.minimum(ratio * advantage, torch.clamp(ratio, low, high) * advantage)
    clipped_high = (advantage > 0) & (ratio > high)
    if settings.dual_clip:
        capped = (advantage < 0) & (ratio > settings.dual_clip)
        loss = torch.where(capped, -settings.dual_clip * advantage, loss)
        clipped_high = clipped_high | capped
    return LossTerms(loss=loss, clipped_low=(advantage < 0) & (ratio < low), clipped_high=clipped_high)
