"""CISPO (MiniMax-M1, 2025, arXiv 2506.13585, eq. 4 and 5): the weight is bounded, no token loses its gradient.

    ℓ_t = -sg[ clip(r_t, 1 - clip_low, 1 + clip_high) ] · A_t · logprob_t,   r_t = exp(logprob_t - old_logprob_t)

MiniMax-M1 tunes the upper bound only: clip_low = 1 turns the lower one off. Its upper bound is not published; ScaleRL
(arXiv 2510.13786) and TRL use 5. The trap: TRL's `epsilon_high` = 5 IS the cap, which is clip_high = 4 here, and its
`epsilon` has no effect; verl clips at 1 - clip_ratio_low and 1 + clip_ratio_high, both sides, as here. Dual clip does
not apply, the weight has a bound already. Reduction in the paper: `token_mean`.

The value is the weighted log-likelihood, not a surrogate around 0; only its gradient, -sg[..]·A, means anything.
"""

from __future__ import annotations

import torch

from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms


def cispo(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """Flags: the weight is at a bound, whatever the sign of the advantage; the gradient is bounded, not gone."""
    low, high = 1 - settings.clip_low, 1 + settings.clip_high
    ratio = torch.exp(inputs.log_ratio).detach()
    live = inputs.advantage != 0
    return LossTerms(
        loss=-torch.clamp(ratio, low, high) * inputs.advantage * inputs.logprob,
        clipped_low=live & (ratio < low),
        clipped_high=live & (ratio > high),
    )
