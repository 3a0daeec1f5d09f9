"""KL-Cov (Cui et al. 2025, arXiv 2505.22617, section 4): the tokens of highest covariance are held near the old policy.

    cov_t = (A_t - mean A)·(logprob_t - mean logprob)        means over the whole step
    ℓ_t   = -r_t·A_t + covariance_coef·|log r_t| for the chosen tokens, -r_t·A_t for the others

Chosen: the covariance_share of the step's tokens (to the nearest, at least 1) with the highest cov_t; ties go by the
tokens' keyed noise. No clip. Paper: share 2e-4 and coefficient 1 (7B; verl's configuration file has 0.1).

|log r| has a kink at r = 1, where its gradient is taken as 0, as in the reference code: in the first optimizer step
of a rollout the penalty is inert, so KL-Cov needs several. Its direction is decided once, by the pass over the whole
step. The log-probs of two passes differ in their last bits, and the sign of that noise, at full strength, would make
the gradient depend on how the step is split. No token is flagged.
"""

from __future__ import annotations

import torch

from grpo.algorithm.losses.covariance import covariance, lowest, share_of
from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms, StepTokens


def kl_cov(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """-r·A + coefficient·sign·log r, sign = 0 for tokens that are not chosen."""
    log_ratio = inputs.log_ratio
    penalty = settings.covariance_coef * inputs.answer * log_ratio
    return LossTerms.unclipped(penalty - torch.exp(log_ratio) * inputs.advantage)


def penalty_sign(tokens: StepTokens, settings: LossSettings) -> torch.Tensor:
    """(S,): the sign of log r (1, -1, or 0 at r = 1) for the chosen tokens, 0 for the others."""
    chosen = lowest(share_of(tokens, settings.covariance_share), -covariance(tokens), tokens.noise)
    return torch.sign(tokens.logprob - tokens.old_logprob) * chosen
