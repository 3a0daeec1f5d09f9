"""What loss and correction ask of the whole optimizer step before the first gradient of it: at most one more pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from grpo.algorithm.corrections import LEVELS
from grpo.algorithm.losses import OVER_STEP, RATIOS_ALONE, StepTokens
from grpo.config.slices import AlgorithmConfig
from grpo.update.columns import StepColumns
from grpo.update.objective import loss_settings

Join = Callable[[StepTokens], tuple[StepTokens, slice]]
"""Tokens of this process's share → those of the whole optimizer step, and where its own are among them."""


def alone(tokens: StepTokens) -> tuple[StepTokens, slice]:
    """One process has the whole step."""
    return tokens, slice(None)


def joined(shares: Sequence[StepTokens], mine: int) -> tuple[StepTokens, slice]:
    """The tokens of several processes one after another, completions counted on, and the place of share `mine`."""
    counted: list[torch.Tensor] = []
    completions = 0
    for share in shares:
        counted.append(share.completion + completions)
        completions += int(share.completion.max()) + 1 if share.completion.numel() else 0
    start = sum(share.logprob.numel() for share in shares[:mine])
    tokens = StepTokens(
        logprob=torch.cat([share.logprob for share in shares]),
        old_logprob=torch.cat([share.old_logprob for share in shares]),
        advantage=torch.cat([share.advantage for share in shares]),
        completion=torch.cat(counted),
        noise=torch.cat([share.noise for share in shares]),
    )
    return tokens, slice(start, start + shares[mine].logprob.numel())


def with_statistics(
    columns: StepColumns,
    algorithm: AlgorithmConfig,
    logprobs: Callable[[], torch.Tensor],
    noise: Callable[[], torch.Tensor],
    join: Join = alone,
) -> StepColumns:
    """`columns` with what `algorithm` asks of S tokens at once.

    `logprobs` gives the policy's of now, (S,), by a forward pass: called once at most, and not at all where nothing
    asks or the log-probs of before the rollout's first optimizer step are enough. `noise` (S,), see `StepTokens`.
    """
    ask, on_policy = OVER_STEP.get(algorithm.loss), columns.old_logprob is None
    whole = algorithm.importance != "off" and algorithm.importance_level != "token"
    if (ask is not None and not (on_policy and algorithm.loss in RATIOS_ALONE)) or (whole and on_policy):
        now = logprobs()
    else:  # a ratio of something to itself
        now = columns.sampler_logprob
    old = now if columns.old_logprob is None else columns.old_logprob
    if whole:
        ratio = LEVELS[algorithm.importance_level](old - columns.sampler_logprob, columns.length)
        columns = replace(columns, importance_ratio=ratio)
    if ask is None:
        return columns
    tokens, mine = join(
        StepTokens(
            logprob=now,
            old_logprob=old,
            advantage=columns.advantage,
            completion=columns.completion(),
            noise=noise().to(now.device),
        )
    )
    if tokens.logprob.numel() == 0:
        return columns
    return replace(columns, over_step=ask(tokens, loss_settings(algorithm))[mine])
