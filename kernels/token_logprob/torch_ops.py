"""`RowOps` in plain torch, for every device and dtype: the twin the other implementations are compared with."""

from __future__ import annotations

import torch

from .ops import Rows, RowStatistics, Upstream


class TorchOps:
    """A float32 copy of the chunk is alive beside it."""

    def statistics(self, logits: torch.Tensor, rows: Rows) -> RowStatistics:
        largest = logits.amax(dim=-1).float()
        below = distance(logits, rows, largest)
        share = torch.exp(below)
        total = share.sum(-1)
        chosen = below.gather(-1, rows.targets.unsqueeze(-1)).squeeze(-1)
        log_sum = torch.log(total)
        entropy = log_sum - share.mul_(finite(below, rows)).sum(-1) / total
        return RowStatistics(largest=largest, log_sum=log_sum, logprob=chosen - log_sum, entropy=entropy)

    def gradient_(self, logits: torch.Tensor, rows: Rows, statistics: RowStatistics, upstream: Upstream) -> None:
        log_share = distance(logits, rows, statistics.largest).sub_(statistics.log_sum.unsqueeze(-1))
        share = torch.exp(log_share)
        weight = -upstream.logprob.unsqueeze(-1)
        if upstream.entropy is not None:
            spread = finite(log_share, rows).add_(statistics.entropy.unsqueeze(-1))
            weight = weight - spread * upstream.entropy.unsqueeze(-1)
        gradient = share.mul_(weight)
        gradient.scatter_add_(-1, rows.targets.unsqueeze(-1), upstream.logprob.unsqueeze(-1))
        logits.copy_(gradient.mul_(rows.scale))

    def add_outer_(self, total: torch.Tensor, gradient: torch.Tensor, hidden: torch.Tensor) -> None:
        if gradient.is_cuda and gradient.dtype != torch.float32:
            torch.addmm(total, gradient.T, hidden, out_dtype=torch.float32, out=total)
        else:
            total.addmm_(gradient.T.float(), hidden.float())


def distance(logits: torch.Tensor, rows: Rows, largest: torch.Tensor) -> torch.Tensor:
    """scale · (logit - largest), (n, V) float32, a copy; -inf where an entry is not kept."""
    wide = logits.to(torch.float32, copy=True)
    cut = None if rows.floor is None else wide < rows.floor.unsqueeze(-1)
    below = wide.sub_(largest.unsqueeze(-1)).mul_(rows.scale)
    return below if cut is None else below.masked_fill_(cut, -torch.inf)


def finite(log_share: torch.Tensor, rows: Rows) -> torch.Tensor:
    """0 in place of the -inf of entries that are not kept, whose share is 0; in place."""
    return log_share if rows.floor is None else log_share.masked_fill_(log_share == -torch.inf, 0.0)
