"""Clip-Cov (Cui et al. 2025, arXiv 2505.22617, section 4): a few tokens of high covariance learn nothing in this step.

    cov_t = (A_t - mean A)·(logprob_t - mean logprob)        means over the whole step
    ℓ_t   = 0 for the chosen tokens, else the loss of `clipped_ratio`

Chosen, at random: covariance_share of the step's tokens (to the nearest, at least 1), among those with covariance_low
< cov_t < covariance_high that `clipped_ratio` leaves a gradient; all of them where they are fewer. The dice are the
tokens' keyed noise, lowest first: the choice depends on neither order nor split. Paper: share 2e-4, bounds 1 and 5
(in its reference code; advantages are `group_mean_std`'s), clip 0.2. Flags: those of `clipped_ratio`; the chosen
tokens are not flagged.
"""

from __future__ import annotations

import torch

from grpo.algorithm.losses.covariance import covariance, lowest, share_of
from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms, StepTokens
from grpo.algorithm.losses.surrogate import clipped_surrogate


def clip_cov(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """The clipped loss, times 0 or 1."""
    terms = clipped_surrogate(torch.exp(inputs.log_ratio), inputs.advantage, settings)
    return LossTerms(loss=terms.loss * inputs.answer, clipped_low=terms.clipped_low, clipped_high=terms.clipped_high)


def kept_tokens(tokens: StepTokens, settings: LossSettings) -> torch.Tensor:
    """(S,): 0 for the chosen tokens, 1 for the others."""
    ratio = torch.exp(tokens.logprob - tokens.old_logprob)
    terms = clipped_surrogate(ratio, tokens.advantage, settings)
    found = covariance(tokens)
    inside = (found > settings.covariance_low) & (found < settings.covariance_high)
    candidates = inside & ~(terms.clipped_low | terms.clipped_high)
    if not candidates.any():
        return torch.ones_like(tokens.logprob)
    dice = tokens.noise.masked_fill(~candidates, torch.inf)
    chosen = lowest(share_of(tokens, settings.covariance_share), dice, dice) & candidates
    return (~chosen).to(tokens.logprob.dtype)
