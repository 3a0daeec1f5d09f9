"""SAPO (Soft Adaptive Policy Optimization, 2025, arXiv 2511.20347): a smooth gate in the place of the clip.

    ℓ_t = -f(r_t)·A_t,   f(r) = sigmoid( τ·(r - 1) ) · 4/τ,   τ = sapo_positive where A_t > 0, else sapo_negative

f has slope 1 at r = 1, so on-policy the gradient is the policy gradient's, and falls to 0 on both sides; its value
there is 2/τ, not 1. Paper: τ = 1.0 and 1.05 (negative advantages fade sooner), reduction `sequence_mean`. Clips do
not apply; no token is flagged.
"""

from __future__ import annotations

import torch

from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms


def sapo(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """-sigmoid(τ·(r - 1))·(4/τ)·A."""
    positive = torch.full_like(inputs.advantage, settings.sapo_positive)
    temperature = positive.masked_fill(inputs.advantage <= 0, settings.sapo_negative)
    gate = torch.sigmoid(temperature * (torch.exp(inputs.log_ratio) - 1)) * 4 / temperature
    return LossTerms.unclipped(-gate * inputs.advantage)
