"""Estimates of KL(policy || reference) per token. Where each may stand, `grpo/config/check_algorithm.py` says."""

from __future__ import annotations

from collections.abc import Callable

import torch

from grpo.algorithm.kl.k3 import k3

KlEstimator = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(logprob, reference_logprob, old_logprob), (N,) each → (N,) nats."""

ESTIMATORS: dict[str, KlEstimator] = {
    "k3": k3,
}
