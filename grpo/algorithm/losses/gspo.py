"""GSPO (Zheng et al. 2025, arXiv 2507.18071, eq. 5 and 7): one ratio for a whole completion.

    s_i = exp( mean_t (logprob_t - old_logprob_t) ),   ℓ_i = -min( s_i·A_i, clip(s_i, 1 - clip_low, 1 + clip_high)·A_i )

Written per token, with sg[s_i]·π/sg[π] in the place of s_i: under the reduction `sequence_mean` the sum over the
tokens has the paper's value, -s_i·A_i / C, and, as ∇s_i = s_i · mean_t ∇logprob_t, the paper's gradient. A_i is the
mean of the advantages of the completion's tokens: that which they share, in every estimator but those with rewards
per token. `gspo_token` keeps each token's own.

s_i comes from a pass over the whole step, so a completion may be cut into any micro-batches. Paper, section 5.1:
clip_low 3e-4 and clip_high 4e-4, four optimizer steps per rollout, no KL; with the clip of a token ratio, 0.2,
nothing would ever be clipped. Flags: as in PPO, on s_i, the same for all tokens of a completion.
"""

from __future__ import annotations

import torch

from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms, StepTokens
from grpo.algorithm.losses.surrogate import clipped_surrogate


def gspo(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """The sequence form: one advantage a completion, hence one decision to clip."""
    return clipped_surrogate(sequence_ratio(inputs), inputs.answer[:, 1], settings)


def sequence_ratio(inputs: LossInputs) -> torch.Tensor:
    """sg[s_i]·π/sg[π] of each token, (N,): the value of its completion's ratio, the gradient of its own log-prob."""
    return torch.exp(inputs.answer[:, 0]) * torch.exp(inputs.logprob - inputs.logprob.detach())


def completion_means(tokens: StepTokens, settings: LossSettings) -> torch.Tensor:
    """(S, 2): the mean log ratio and the mean advantage of each token's completion, summed in float64."""
    columns = torch.stack([tokens.logprob.double() - tokens.old_logprob.double(), tokens.advantage.double()], dim=1)
    length = torch.bincount(tokens.completion)
    sums = columns.new_zeros(len(length), 2).index_add_(0, tokens.completion, columns)
    means = sums / length.clamp(min=1)[:, None]
    return means[tokens.completion].to(tokens.logprob.dtype)
