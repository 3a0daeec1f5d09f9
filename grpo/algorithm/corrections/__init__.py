"""What corrects the mismatch between the policy that sampled (vLLM's) and the one the update starts from (ours).

The same weights, computed by different code, give other log-probs: an update on the sampler's tokens is off-policy even
in its first step. With π_old the trainer's policy at the start of the rollout step and μ the sampler's,

    ρ_t = π_old(token t) / μ(token t)

turns an expectation under μ into one under π_old; the ratio of the loss, π / π_old, is another and is not touched. ρ
carries no gradient, and what it takes away stays in the reduction's normalisers.

| level | ρ of a token in a completion of T tokens | property |
|---|---|---|
| `token` | ρ_t | low variance; ignores how the mismatch shifts which prefixes are reached: a bias that grows as T² |
| `sequence` | Π_t ρ_t | unbiased until the bounds cut it; its variance grows exponentially with T |
| `geometric` | (Π_t ρ_t)^(1/T) | free of length, no estimate of any ratio: only fit to reject completions |

`truncate` (Espeholt et al. 2018, arXiv 1802.01561, section 4.1; Ionides 2008) bounds the variance and is biased only
above the cap. `mask` drops what is outside the bounds (IcePop's two-sided form).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from grpo.algorithm.corrections.levels import geometric, sequence, token
from grpo.algorithm.corrections.modes import Bounds, mask, off, reject, truncate

LevelFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(log ρ_t of each token (S,), tokens of each completion (C,)) → ρ of each token (S,)."""
WeightFunction = Callable[[torch.Tensor, Bounds], torch.Tensor]
"""(ρ (N,), bounds) → weight of each token's loss (N,)."""

LEVELS: dict[str, LevelFunction] = {
    "token": token,
    "sequence": sequence,
    "geometric": geometric,
}
WEIGHTS: dict[tuple[str, str], WeightFunction] = {
    ("truncate", "token"): truncate,
    ("truncate", "sequence"): truncate,
    ("mask", "token"): mask,
    ("mask", "sequence"): mask,
    ("mask", "geometric"): reject,
    ("off", "token"): off,
}
"""(`importance`, `importance_level`) to the weight; what is not here, `grpo/config/check_off_policy.py` refuses."""

__all__ = ["LEVELS", "WEIGHTS", "Bounds", "LevelFunction", "WeightFunction"]
