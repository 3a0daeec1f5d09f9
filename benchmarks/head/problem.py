"""The inputs of one head benchmark, and what they lead to in float64.

Random logits would make nearly every probability vanish, and a kernel that skips small ones look better than it is on
any real model. So 80 % of the rows are peaked: their target has a probability drawn evenly from [0.5, 0.999].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

PEAKED_SHARE, LEAST_PEAK, MOST_PEAK = 0.8, 0.5, 0.999
WEIGHT_STD = 0.02
"""Of the head's weight, as models are initialised."""
SEQUENCES = 8
CLIP = 0.2
RATIO_LOGS = (-0.4, -0.1, 0.0, 0.1, 0.4)
"""log(new / old) that tokens are given, ± 0.02: some are clipped, none so close to a bound that rounding decides."""
CHUNK_ELEMENTS = 2**25
"""Float64 logits of the reference alive at once: 256 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadShape:
    """T tokens in `SEQUENCES` completions of equal length, H hidden, V vocabulary."""

    tokens: int
    hidden: int
    vocab: int
    dtype: str = "bfloat16"

    def __post_init__(self) -> None:
        if self.tokens < SEQUENCES or self.tokens % SEQUENCES:
            raise ValueError(f"tokens must be a multiple of {SEQUENCES}, got {self.tokens}")

    @property
    def products(self) -> float:
        """Floating-point operations of the three matrix products: 6·T·H·V."""
        return 6.0 * self.tokens * self.hidden * self.vocab


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadProblem:
    """loss = Σ_t -min(r_t·A_t, clip(r_t)·A_t) / T with r_t = exp(logprob_t - old_t), temperature 1."""

    hidden: torch.Tensor
    """(T, H)."""
    weight: torch.Tensor
    """(V, H), the same dtype."""
    targets: torch.Tensor
    """(T,) int64."""
    old_logprob: torch.Tensor
    """(T,) float32 nats."""
    advantage: torch.Tensor
    """(T,) float32, equal within a completion; the completions lie one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOutput:
    """What a rival computes; also the reference, in float64."""

    loss: torch.Tensor
    """()"""
    d_hidden: torch.Tensor
    """(T, H)."""
    d_weight: torch.Tensor
    """(V, H)."""


def make_problem(shape: HeadShape, seed: int, device: torch.device) -> tuple[HeadProblem, HeadOutput, float]:
    """The inputs, the float64 result, and the mean of |token loss|, which errors of the loss are measured against."""
    generator = torch.Generator(device).manual_seed(seed)
    problem = _inputs(shape, generator, device)
    places = torch.randint(len(RATIO_LOGS), (shape.tokens,), generator=generator, device=device)
    jitter = 0.02 * (2 * torch.rand(shape.tokens, generator=generator, device=device) - 1)
    return _solve(problem, torch.tensor(RATIO_LOGS, device=device)[places] + jitter)


def _inputs(shape: HeadShape, generator: torch.Generator, device: torch.device) -> HeadProblem:
    dtype = getattr(torch, shape.dtype)
    weight = torch.empty(shape.vocab, shape.hidden, dtype=dtype, device=device)
    weight.normal_(std=WEIGHT_STD, generator=generator)
    targets = torch.randint(shape.vocab, (shape.tokens,), generator=generator, device=device)
    hidden = torch.randn(shape.tokens, shape.hidden, generator=generator, device=device)
    row = weight[targets].float()
    peak = LEAST_PEAK + (MOST_PEAK - LEAST_PEAK) * torch.rand(shape.tokens, generator=generator, device=device)
    length = _length_for(peak, row.norm(dim=-1), shape.vocab)
    peaked = torch.rand(shape.tokens, generator=generator, device=device) < PEAKED_SHARE
    along = row / row.norm(dim=-1, keepdim=True) * length.unsqueeze(-1)
    hidden = torch.where(peaked.unsqueeze(-1), along, hidden).to(dtype)
    advantage = torch.randn(SEQUENCES, generator=generator, device=device)
    advantage = (advantage - advantage.mean()) / advantage.std()
    return HeadProblem(
        hidden=hidden,
        weight=weight,
        targets=targets,
        old_logprob=torch.zeros(shape.tokens, device=device),
        advantage=advantage.repeat_interleave(shape.tokens // SEQUENCES),
    )


def _length_for(peak: torch.Tensor, norm: torch.Tensor, vocab: int) -> torch.Tensor:
    """(T,) length a of a hidden state along its target's weight w such that softmax gives the target `peak`.

    The target's logit is a·|w|; the others are normal with deviation a·σ, so the log of their sum is about
    log V + (a·σ)²/2. The smaller root of a·|w| = log V + (a·σ)²/2 + log(p / (1 - p)) is taken.
    """
    wanted = math.log(vocab) + torch.log(peak / (1 - peak))
    inside = (norm**2 - 2 * WEIGHT_STD**2 * wanted).clamp(min=0.0)
    return (norm - inside.sqrt()) / WEIGHT_STD**2


def _solve(problem: HeadProblem, log_ratio: torch.Tensor) -> tuple[HeadProblem, HeadOutput, float]:
    """Choose old = logprob - log_ratio, and form the loss and both gradients from their formulas, without autograd."""
    tokens = problem.targets.numel()
    weight = problem.weight.double()
    old, losses = torch.empty_like(problem.old_logprob), torch.empty(tokens, dtype=torch.float64, device=weight.device)
    d_hidden = torch.empty(problem.hidden.shape, dtype=torch.float64, device=weight.device)
    d_weight = torch.zeros_like(weight)
    chunk = max(1, CHUNK_ELEMENTS // weight.shape[0])
    for start in range(0, tokens, chunk):
        rows = slice(start, min(start + chunk, tokens))
        hidden = problem.hidden[rows].double()
        target = problem.targets[rows].unsqueeze(-1)
        logits = hidden @ weight.T
        normaliser = logits.logsumexp(-1)
        logprob = logits.gather(-1, target).squeeze(-1) - normaliser
        old[rows] = (logprob - log_ratio[rows].double()).float()
        losses[rows], coefficient = _token_loss(logprob - old[rows].double(), problem.advantage[rows].double())
        gradient = logits.sub_(normaliser.unsqueeze(-1)).exp_().mul_(-(coefficient / tokens).unsqueeze(-1))
        gradient.scatter_add_(-1, target, (coefficient / tokens).unsqueeze(-1))
        d_hidden[rows] = gradient @ weight
        d_weight.addmm_(gradient.T, hidden)
    result = HeadOutput(loss=losses.mean(), d_hidden=d_hidden, d_weight=d_weight)
    return replace(problem, old_logprob=old), result, float(losses.abs().mean())


def _token_loss(log_ratio: torch.Tensor, advantage: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of each token and its derivative with respect to the log-prob."""
    ratio = log_ratio.exp()
    stopped = ((advantage > 0) & (ratio > 1 + CLIP)) | ((advantage < 0) & (ratio < 1 - CLIP))
    bounded = ratio.clamp(1 - CLIP, 1 + CLIP)
    loss = torch.where(stopped, -bounded * advantage, -ratio * advantage)
    return loss, torch.where(stopped, 0.0, -ratio * advantage)


def objective(logprob: torch.Tensor, problem: HeadProblem, rows: slice = slice(None)) -> torch.Tensor:
    """The share of `rows` in the loss, from their log-probs by autograd, for rivals that bring no loss of their own."""
    advantage = problem.advantage[rows]
    ratio = torch.exp(logprob.float() - problem.old_logprob[rows])
    bounded = ratio.clamp(1 - CLIP, 1 + CLIP)
    return -torch.minimum(ratio * advantage, bounded * advantage).sum() / problem.targets.numel()
