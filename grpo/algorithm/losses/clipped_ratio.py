"""The clipped token loss of GRPO (Shao et al. 2024, arXiv 2402.03300, eq. 3), as in PPO (arXiv 1707.06347, eq. 7).

Clip 0.2 on both sides in PPO; 0.2 and 0.28 in DAPO (arXiv 2503.14476, section 3.1, clip-higher); 10 in DeepSeek-R1,
where 1 - 10 < 0 bounds nothing below, so that clip_low = 1 says the same.
"""

from __future__ import annotations

import torch

from grpo.algorithm.losses.inputs import LossInputs, LossSettings, LossTerms
from grpo.algorithm.losses.surrogate import clipped_surrogate


def clipped_ratio(inputs: LossInputs, settings: LossSettings) -> LossTerms:
    """-min(r·A, clip(r, 1 - clip_low, 1 + clip_high)·A), r = exp(logprob - old_logprob); dual clip where it is set."""
    return clipped_surrogate(torch.exp(inputs.log_ratio), inputs.advantage, settings)
