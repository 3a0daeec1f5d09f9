"""Rows in chunks, logits recomputed in the backward pass: memory for chunk x V logits instead of N x V."""

from __future__ import annotations

import torch
from torch.utils.checkpoint import checkpoint

from .reference import token_logprob_reference


def token_logprob_chunked(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float, chunk_rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `token_logprob_reference`, at most `chunk_rows` rows of logits alive at a time."""
    parts = [
        checkpoint(token_logprob_reference, rows, weight, chosen, temperature, use_reentrant=False)
        for rows, chosen in zip(torch.split(hidden, chunk_rows), torch.split(targets, chunk_rows), strict=True)
    ]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
