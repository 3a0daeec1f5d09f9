"""Trainer against sampler: the same tokens under the same weights must have the same log-probs."""

from __future__ import annotations

from dataclasses import dataclass

import torch

FLOAT32_LARGEST = 1e-4
REDUCED_PRECISION_MEAN = 0.02


class LogprobMismatchError(RuntimeError):
    """Trainer and sampler disagree: the update would learn from a policy that did not sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchLimit:
    """In float32 the largest difference is bounded, in lower precision the mean one (nats)."""

    statistic: str
    """`max` or `mean`."""
    value: float

    def check(self, difference: torch.Tensor, where: str) -> None:
        """`difference` (N,): |trainer - sampler|. Raises LogprobMismatchError above the limit or when not finite."""
        found = float(difference.max() if self.statistic == "max" else difference.mean())
        if found <= self.value:
            return
        raise LogprobMismatchError(
            f"{where}: trainer and sampler log-probs differ by {self.statistic} {found:.3g} nats over "
            f"{difference.numel()} tokens, above the limit {self.value:.3g}; their weights, positions or sampling "
            "settings are not the same (rollout.max_logprob_diff sets the limit)"
        )


def mismatch_limit(dtype: str, override: float | None) -> MismatchLimit:
    """The default stop of a dtype, or the configured one."""
    if dtype == "float32":
        return MismatchLimit(statistic="max", value=FLOAT32_LARGEST if override is None else override)
    return MismatchLimit(statistic="mean", value=REDUCED_PRECISION_MEAN if override is None else override)
