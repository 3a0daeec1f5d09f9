"""The whole step's loss, written a second time from the papers: plain loops over float64, no torch, nothing of ours.

A step is P groups of completions of tokens, everything nested as [prompt][completion][token]. What a paper puts under
a stop-gradient is taken from `Step.logprob`; what it differentiates, from the `logprob` handed in. The gradient is
that of central differences, so nobody derived it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

Tokens = list[list[list[float]]]


@dataclass(frozen=True)
class Step:
    """What a step knows before its forward pass."""

    rewards: list[list[float]]
    logprob: Tokens
    old: Tokens
    reference: Tokens
    noise: Tokens
    penalties: Tokens | None = None
    max_tokens: int = 9


@dataclass(frozen=True)
class Recipe:
    """Names out of the registries, and the knobs."""

    advantage: str = "group_mean_std"
    loss: str = "clipped_ratio"
    reduction: str = "token_mean"
    kl: str | None = None
    kl_coef: float = 0.1
    knobs: dict[str, float] = field(default_factory=dict)


KNOBS = {
    "clip_low": 0.2,
    "clip_high": 0.28,
    "dual_clip": 0.0,
    "sapo_positive": 1.0,
    "sapo_negative": 1.05,
    "covariance_share": 0.2,
    "covariance_low": 0.05,
    "covariance_high": 5.0,
    "covariance_coef": 0.7,
}


def places(step: Step) -> Iterator[tuple[int, int, int]]:
    """Prompt, completion, token."""
    for p, group in enumerate(step.logprob):
        for i, completion in enumerate(group):
            for t in range(len(completion)):
                yield p, i, t


def random_step(seed: int, penalised: bool = False, on_policy: bool = False) -> Step:
    """Three groups, one of equal rewards, of 2 to 4 completions of 1 to 4 tokens."""
    draw = np.random.default_rng(seed)
    lengths = [[int(draw.integers(1, 5)) for _ in range(draw.integers(2, 5))] for _ in range(3)]

    def nested(make: Callable[[], float]) -> Tokens:
        return [[[make() for _ in range(length)] for length in group] for group in lengths]

    logprob = nested(lambda: -float(draw.exponential(1.0)))
    shift = nested(lambda: 0.0 if on_policy else float(draw.normal(0.0, 0.35)))
    rewards = [[1.0 + float(draw.random()) for _ in group] for group in lengths]
    rewards[1] = [1.5] * len(lengths[1])
    return Step(
        rewards=rewards,
        logprob=logprob,
        old=added(logprob, shift),
        reference=added(logprob, nested(lambda: float(draw.normal(0.0, 0.5)))),
        noise=nested(lambda: float(draw.random())),
        penalties=nested(lambda: float(draw.normal(0.0, 0.05))) if penalised else None,
    )


def added(a: Tokens, b: Tokens, scale: float = 1.0) -> Tokens:
    """a + scale·b."""
    return [
        [[x + scale * y for x, y in zip(u, v, strict=True)] for u, v in zip(g, h, strict=True)]
        for g, h in zip(a, b, strict=True)
    ]


def step_loss(step: Step, recipe: Recipe, logprob: Tokens | None = None) -> float:
    """The number to be minimised."""
    varied = step.logprob if logprob is None else logprob
    loss = token_losses(step, recipe, varied)
    if recipe.kl is not None:
        penalty = {place: kl(recipe.kl, step, varied, place) for place in places(step)}
        loss = {place: value + recipe.kl_coef * penalty[place] for place, value in loss.items()}
    return reduced(recipe.reduction, step, loss)


def gradient(step: Step, recipe: Recipe, size: float = 1e-6) -> list[float]:
    """d loss / d logprob of every token, in the order of `places`."""
    return [slope(step, recipe, unit(step, place), size) for place in places(step)]


def slope(step: Step, recipe: Recipe, direction: Tokens, size: float = 1e-6) -> float:
    """The derivative along a direction."""
    up = step_loss(step, recipe, added(step.logprob, direction, size))
    down = step_loss(step, recipe, added(step.logprob, direction, -size))
    return (up - down) / (2 * size)


def unit(step: Step, place: tuple[int, int, int]) -> Tokens:
    """1 at a place, 0 elsewhere."""
    zero = [[[0.0] * len(completion) for completion in group] for group in step.logprob]
    zero[place[0]][place[1]][place[2]] = 1.0
    return zero


# --- advantages


def advantages(name: str, step: Step) -> Tokens:
    """Of every token."""
    if name == "batch_zscore":
        return _reinforce_plus_plus(step)
    rewards = [
        [r - (sum(step.penalties[p][i]) if step.penalties else 0.0) for i, r in enumerate(group)]
        for p, group in enumerate(step.rewards)
    ]
    raw = np.array([r for group in rewards for r in group])
    above = np.array([r - np.mean(group) for group in rewards for r in group])
    result: Tokens = []
    for p, group in enumerate(rewards):
        result.append([])
        for i, reward in enumerate(group):
            mean = float(np.mean(group))
            others = [r for j, r in enumerate(group) if j != i]
            value = {
                "group_mean": lambda r=reward, m=mean: r - m,
                "group_mean_std": lambda r=reward, m=mean, g=group: (r - m) / (np.std(g, ddof=1) + 1e-4),
                "group_mean_batch_std": lambda r=reward, m=mean: (r - m) / (_std_about(above, 0.0) + 1e-4),
                "group_mean_reward_std": lambda r=reward, m=mean: (r - m) / (np.std(raw, ddof=1) + 1e-4),
                "leave_one_out": lambda r=reward, o=others: r - np.mean(o),
                "maxrl": lambda r=reward, m=mean: (r - m) / m,
            }[name]()
            result[p].append([float(value)] * len(step.logprob[p][i]))
    return result


def _std_about(values: np.ndarray, mean: float) -> float:
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _reinforce_plus_plus(step: Step) -> Tokens:
    returns = unit(step, (0, 0, 0))
    for p, group in enumerate(step.logprob):
        for i, completion in enumerate(group):
            so_far = 0.0
            for t in reversed(range(len(completion))):
                reward = step.rewards[p][i] if t == len(completion) - 1 else 0.0
                so_far += reward - (step.penalties[p][i][t] if step.penalties else 0.0)
                returns[p][i][t] = so_far
    every = np.array([returns[p][i][t] for p, i, t in places(step)])
    mean, std = float(np.mean(every)), float(np.std(every, ddof=1))
    return [[[(r - mean) / (std + 1e-4) for r in row] for row in group] for group in returns]


# --- token losses

Values = dict[tuple[int, int, int], float]


def token_losses(step: Step, recipe: Recipe, logprob: Tokens) -> Values:
    """Of every token. A whole completion's loss stands on each of its tokens, which all weigh the same when reduced."""
    knobs = KNOBS | recipe.knobs
    advantage = advantages(recipe.advantage, step)
    chosen = chosen_tokens(step, recipe.loss, advantage, knobs) if recipe.loss.endswith("_cov") else set()
    result: Values = {}
    for p, i, t in places(step):
        a, new, old, now = advantage[p][i][t], logprob[p][i][t], step.old[p][i][t], step.logprob[p][i][t]
        ratio = math.exp(new - old)
        if recipe.loss == "clipped_ratio":
            loss = clipped(ratio, a, knobs)
        elif recipe.loss == "gspo":
            mean = sum(x - y for x, y in zip(logprob[p][i], step.old[p][i], strict=True)) / len(logprob[p][i])
            loss = clipped(math.exp(mean), float(np.mean(advantage[p][i])), knobs)
        elif recipe.loss == "gspo_token":
            mean = sum(x - y for x, y in zip(step.logprob[p][i], step.old[p][i], strict=True)) / len(step.old[p][i])
            loss = clipped(math.exp(mean) * math.exp(new) / math.exp(now), a, knobs)
        elif recipe.loss == "cispo":
            weight = min(max(math.exp(now - old), 1 - knobs["clip_low"]), 1 + knobs["clip_high"])
            loss = -weight * a * new
        elif recipe.loss == "sapo":
            tau = knobs["sapo_positive"] if a > 0 else knobs["sapo_negative"]
            loss = -4 / tau / (1 + math.exp(-tau * (ratio - 1))) * a
        elif recipe.loss == "reinforce":
            loss = -a * math.exp(new) / math.exp(now)
        elif recipe.loss == "clip_cov":
            loss = 0.0 if (p, i, t) in chosen else clipped(ratio, a, knobs)
        else:
            assert recipe.loss == "kl_cov", recipe.loss
            loss = -ratio * a + (knobs["covariance_coef"] * abs(new - old) if (p, i, t) in chosen else 0.0)
        result[p, i, t] = loss
    return result


def clipped(ratio: float, advantage: float, knobs: dict[str, float]) -> float:
    """PPO's loss, and verl's cap on it."""
    bounded = min(max(ratio, 1 - knobs["clip_low"]), 1 + knobs["clip_high"])
    loss = max(-ratio * advantage, -bounded * advantage)
    if knobs["dual_clip"] and advantage < 0:
        loss = min(loss, -advantage * knobs["dual_clip"])
    return loss


def chosen_tokens(step: Step, loss: str, advantage: Tokens, knobs: dict[str, float]) -> set[tuple[int, int, int]]:
    """By covariance, as `Step.logprob` stands."""
    every = list(places(step))
    mean_a = float(np.mean([advantage[p][i][t] for p, i, t in every]))
    mean_l = float(np.mean([step.logprob[p][i][t] for p, i, t in every]))
    cov = {(p, i, t): (advantage[p][i][t] - mean_a) * (step.logprob[p][i][t] - mean_l) for p, i, t in every}
    count = max(1, round(knobs["covariance_share"] * len(every)))
    if loss == "kl_cov":
        return set(sorted(every, key=lambda place: -cov[place])[:count])
    free = []
    for p, i, t in every:
        a, ratio = advantage[p][i][t], math.exp(step.logprob[p][i][t] - step.old[p][i][t])
        stopped = (a > 0 and ratio > 1 + knobs["clip_high"]) or (a < 0 and ratio < 1 - knobs["clip_low"])
        stopped = stopped or bool(knobs["dual_clip"] and a < 0 and ratio > knobs["dual_clip"])
        if knobs["covariance_low"] < cov[p, i, t] < knobs["covariance_high"] and not stopped:
            free.append((p, i, t))
    return set(sorted(free, key=lambda place: step.noise[place[0]][place[1]][place[2]])[:count])


# --- KL and reductions


def kl(name: str, step: Step, logprob: Tokens, place: tuple[int, int, int]) -> float:
    """The estimate at one token."""
    p, i, t = place
    new, reference, old = logprob[p][i][t], step.reference[p][i][t], step.old[p][i][t]
    odds = math.exp(reference) / math.exp(new)
    k3 = odds - math.log(odds) - 1
    return {
        "k1": math.log(1 / odds),
        "k2": math.log(odds) ** 2 / 2,
        "k3": k3,
        "k3_unbiased": math.exp(new) / math.exp(old) * k3,
    }[name]


def reduced(name: str, step: Step, loss: Values) -> float:
    """The step's tokens as one number."""
    groups = [
        [[loss[p, i, t] for t in range(len(completion))] for i, completion in enumerate(group)]
        for p, group in enumerate(step.logprob)
    ]
    completions = [tokens for group in groups for tokens in group]
    if name in ("token_mean", "bnpo"):
        return float(np.mean([value for tokens in completions for value in tokens]))
    if name == "sequence_mean":
        return float(np.mean([np.mean(tokens) for tokens in completions]))
    if name == "sequence_sum":
        return float(np.mean([np.sum(tokens) for tokens in completions]))
    if name == "constant_length":
        return sum(sum(tokens) for tokens in completions) / (len(completions) * step.max_tokens)
    assert name == "prompt_mean", name
    return float(np.mean([np.mean([value for tokens in group for value in tokens]) for group in groups]))
