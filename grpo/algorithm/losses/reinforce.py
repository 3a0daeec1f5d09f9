"""REINFORCE (Williams 1992), as in RLOO (Ahmadian et al. 2024, arXiv 2402.14740): no ratio, no clip.

    ℓ_t = -A_t · π/sg[π]        value -A_t, gradient -A_t·∇logprob_t

RLOO takes a completion as one action: `leave_one_out` advantages, reduction `sequence_sum`, KL in the reward. The old
policy has no part in this loss. On-policy that is exact. Later optimizer steps of a rollout are the score function of
the policy of now on samples of an older one, uncorrected: the estimate is then biased, and `clipped_ratio` with its
ratio is the loss to take. Clips do not apply; no token is flagged.
"""

from __future__ import annotations

import torch

from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms


def reinforce(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """-A·π/sg[π]."""
    return LossTerms.unclipped(-inputs.advantage * torch.exp(inputs.logprob - inputs.logprob.detach()))
