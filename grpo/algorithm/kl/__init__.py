"""Estimates of KL(policy || reference) per token. Where each may stand, `grpo/config/check_algorithm.py` says."""

from __future__ import annotations

from collections.abc import Callable

import torch

from grpo.algorithm.kl.k1 import k1
from grpo.algorithm.kl.k2 import k2
from grpo.algorithm.kl.k3 import k3
from grpo.algorithm.kl.k3_unbiased import k3_unbiased

KlEstimator = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(logprob, reference_logprob, old_logprob), (N,) each → (N,) nats."""

ESTIMATORS: dict[str, KlEstimator] = {
    "k1": k1,
    "k2": k2,
    "k3": k3,
    "k3_unbiased": k3_unbiased,
}
