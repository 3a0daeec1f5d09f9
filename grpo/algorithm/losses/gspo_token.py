"""GSPO-token (Zheng et al. 2025, arXiv 2507.18071, section 4.3): GSPO with an advantage for each token.

    ℓ_t = -min( s_t·A_t, clip(s_t, 1 - clip_low, 1 + clip_high)·A_t ),   s_t = sg[s_i]·π/sg[π]

`gspo` in all but this: the token's own advantage scales it and decides on which side it is clipped. Where all tokens
of a completion have the same advantage the two are equal in value and gradient (section 4.3 of the paper). Clip and
flags: see `gspo`.
"""

from __future__ import annotations

from grpo.algorithm.losses.gspo import sequence_ratio
from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms
from grpo.algorithm.losses.surrogate import clipped_surrogate


def gspo_token(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """The token form."""
    return clipped_surrogate(sequence_ratio(inputs), inputs.advantage, settings)
