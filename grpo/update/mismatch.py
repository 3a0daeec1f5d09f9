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
    """In float32 the largest difference is bounded, in lower precision or under filters the mean one (nats)."""

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


def mismatch_limit(dtype: str, override: float | None, *, filtered: bool = False) -> MismatchLimit:
    """The default stop of a dtype, or the configured one.

    `filtered`: the log-probs are of what top-p, top-k or min-p keep. Each side finds that by its own logits, so
    rounding may keep a token at the border on one side alone: all others of its row then differ by log(1 - p) of that
    token, which is rare but as large as the token is likely. So the mean is judged in float32 too.
    """
    if dtype == "float32" and not filtered:
        return MismatchLimit(statistic="max", value=FLOAT32_LARGEST if override is None else override)
    return MismatchLimit(statistic="mean", value=REDUCED_PRECISION_MEAN if override is None else override)
