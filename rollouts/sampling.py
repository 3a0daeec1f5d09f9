"""The distribution tokens are drawn from, and the draw, as tensor operations.

Shapes: B rows (one per completion), V vocabulary.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from grpo.types import SamplingSettings

DRAWN_ENTRIES = 2**20
"""Probabilities turned into float64 at once: 16 MiB, where all of a step's would be the largest thing of sampling."""


def processed_logprobs(logits: torch.Tensor, settings: SamplingSettings) -> torch.Tensor:
    """(B, V) log-probs in nats, float32, of the distribution sampled from; -inf outside min-p, top-k and top-p.

    Temperature first, then min-p, then top-k, then top-p on what is left, renormalised: the order of vLLM 0.32.
    (transformers' own sampler applies min-p last, which keeps other tokens.) Temperature 0 (greedy) leaves the logits
    as they are.
    """
    logits = logits.float()
    if settings.temperature == 0:
        return logits.log_softmax(dim=-1)
    logits = logits / settings.temperature
    if settings.min_p > 0:
        # Of the whole distribution's likeliest: p < min_p · p_max, in logs.
        least = logits.amax(dim=-1, keepdim=True) + math.log(settings.min_p)
        logits = logits.masked_fill(logits < least, -torch.inf)
    if 0 < settings.top_k < logits.shape[-1]:
        kth_largest = logits.topk(settings.top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth_largest, -torch.inf)
    if settings.top_p < 1:
        logits = _inside_nucleus(logits, settings.top_p)
    return logits.log_softmax(dim=-1)


def _inside_nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Masks the unlikeliest tokens whose joint probability is at most 1 - top_p; the likeliest always stays."""
    ascending, order = logits.sort(dim=-1)
    outside = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
    outside[:, -1] = False
    return logits.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), -torch.inf)


def draw(logprobs: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """(B,) tokens, one per row, by inversion of the cumulative distribution at `uniforms` (B,) in [0, 1).

    A token of probability zero is never drawn.
    """
    assert logprobs.ndim == 2 and uniforms.shape == logprobs.shape[:1], (logprobs.shape, uniforms.shape)
    at_once = max(1, DRAWN_ENTRIES // logprobs.shape[1])
    parts = zip(torch.split(logprobs, at_once), torch.split(uniforms, at_once), strict=True)
    return torch.cat([_inverted(rows, noise) for rows, noise in parts])


def _inverted(logprobs: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    cumulative = logprobs.double().exp_().cumsum(dim=-1)
    heights = uniforms.double() * cumulative[:, -1]
    return torch.searchsorted(cumulative, heights[:, None], right=True).squeeze(-1)


def uniform_noise(seed: int, index: int, count: int) -> np.ndarray:
    """(count,) float32 in [0, 1): the noise of completion `index` of a group, a function of (seed, index) alone.

    The first n numbers do not depend on `count`.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, index))))
    return generator.random(count, dtype=np.float32)
