"""The oracle's nested step as the tensors the project's functions take."""

from __future__ import annotations

from dataclasses import fields

import torch

from grpo.algorithm.advantages import ADVANTAGES, StepRewards
from grpo.algorithm.kl import ESTIMATORS
from grpo.algorithm.losses import LOSSES, OVER_STEP, LossInputs, LossSettings, StepTokens
from grpo.algorithm.reductions import REDUCTIONS, StepTotals, TokenCounts
from tests.algorithm.oracle import KNOBS, Recipe, Step, Tokens, places


def flat(nested: Tokens, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """(S,)."""
    return torch.tensor([value for group in nested for row in group for value in row], dtype=dtype)


def settings_of(recipe: Recipe) -> LossSettings:
    """The recipe's knobs."""
    knobs = KNOBS | recipe.knobs
    return LossSettings(**{item.name: knobs[item.name] for item in fields(LossSettings)})


def advantage_of(step: Step, name: str) -> Tokens:
    """Our advantages, of every token."""
    lengths = [[len(row) for row in group] for group in step.logprob]
    found = ADVANTAGES[name](StepRewards(totals=step.rewards, lengths=lengths, penalties=step.penalties))
    return [
        [
            list(value) if isinstance(value, tuple) else [value] * length
            for value, length in zip(values, group, strict=True)
        ]
        for values, group in zip(found, lengths, strict=True)
    ]


def tokens_of(step: Step, advantage: torch.Tensor, dtype: torch.dtype = torch.float64) -> StepTokens:
    """What a loss may ask about the whole step."""
    owners = [(p, i) for p, i, _ in places(step)]
    number = {owner: n for n, owner in enumerate(dict.fromkeys(owners))}
    return StepTokens(
        logprob=flat(step.logprob, dtype),
        old_logprob=flat(step.old, dtype),
        advantage=advantage,
        completion=torch.tensor([number[owner] for owner in owners]),
        noise=flat(step.noise),
    )


def counts_of(step: Step) -> tuple[TokenCounts, StepTotals]:
    """Of the step's S tokens."""
    prompt = [sum(map(len, group)) for group in step.logprob]
    counts = TokenCounts(
        completion=torch.tensor([len(step.logprob[p][i]) for p, i, _ in places(step)]),
        prompt=torch.tensor([prompt[p] for p, _, _ in places(step)]),
    )
    totals = StepTotals(
        prompts=len(step.logprob),
        completions=sum(map(len, step.logprob)),
        tokens=sum(prompt),
        max_tokens=step.max_tokens,
    )
    return counts, totals


def ours(step: Step, recipe: Recipe, dtype: torch.dtype = torch.float64) -> tuple[float, torch.Tensor]:
    """The step's loss and its gradient (S,), through the registries."""
    advantage = flat(advantage_of(step, recipe.advantage), dtype)
    settings, tokens = settings_of(recipe), tokens_of(step, advantage, dtype)
    ask = OVER_STEP.get(recipe.loss)
    logprob = tokens.logprob.clone().requires_grad_()
    inputs = LossInputs(
        logprob=logprob,
        old_logprob=tokens.old_logprob,
        advantage=advantage,
        over_step=None if ask is None else ask(tokens, settings),
    )
    loss = LOSSES[recipe.loss](inputs, settings).loss
    if recipe.kl is not None:
        reference = flat(step.reference, dtype)
        loss = loss + recipe.kl_coef * ESTIMATORS[recipe.kl](logprob, reference, tokens.old_logprob)
    total = (loss * REDUCTIONS[recipe.reduction](*counts_of(step))).sum()
    [found] = torch.autograd.grad(total, logprob)
    return total.item(), found
