"""What Clip-Cov and KL-Cov share: the covariance of each token, and a choice among the tokens of a step.

The step's tokens are those its normalisers count: groups without advantages are in the means, and so are computed,
unless `dead_groups=exclude` leaves them out of both. Sums are taken over sorted values, so that not one bit depends on
the order of the tokens.
"""

from __future__ import annotations

import torch

from grpo.algorithm.losses.inputs import StepTokens


def covariance(tokens: StepTokens) -> torch.Tensor:
    """(A_t - mean A)·(logprob_t - mean logprob), means over all tokens of the step: (S,) float64."""
    return _centred(tokens.advantage) * _centred(tokens.logprob)


def share_of(tokens: StepTokens, share: float) -> int:
    """How many tokens a share of the step is: to the nearest, at least 1."""
    return max(1, round(share * len(tokens.logprob)))


def lowest(count: int, key: torch.Tensor, tie: torch.Tensor) -> torch.Tensor:
    """The `count` >= 1 entries with the lowest (key, tie): (S,) bool. Entries equal in both are taken together, so that
    the choice does not depend on their order."""
    order = torch.argsort(tie, stable=True)
    order = order[torch.argsort(key[order], stable=True)]
    last = order[min(count, len(order)) - 1]
    return (key < key[last]) | ((key == key[last]) & (tie <= tie[last]))


def _centred(values: torch.Tensor) -> torch.Tensor:
    values = values.double()
    return values - values.sort().values.mean()
