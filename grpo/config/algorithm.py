"""The slice that says how a policy learns from scored groups, and which groups it is given."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class SelectionConfig:
    """Which problems are sampled and which of their groups are learnt from."""

    refill: bool = False
    """Dynamic sampling (DAPO): groups with equal total rewards are thrown away and further problems sampled until
    `prompts_per_step` groups are left."""
    max_batches: int = 10
    """Most samplings of one step under `refill`; after them the step goes on with the groups it has."""
    oversample: float = 1.0
    """Begin this many times `prompts_per_step` groups and stop as soon as `prompts_per_step` are complete; the others'
    problems come first in the next sampling, from their start. Above 1 it favours short completions."""
    curriculum: str = "uniform"
    """`uniform`: every problem once an epoch; `pass_rate`: problems that are always or never solved (first reward
    function at 1 or more) sit out up to 3 of 4 epochs."""
    retire_above: float = 1.0
    """Problems whose running pass rate reaches this are not sampled again (No-Positive-Resampling), as long as enough
    for one sampling are left; 1 is off."""
    length_steps: list[int] = field(default_factory=list)
    """Stage steps (from 0) at which the token limit changes to the entry of `length_limits` beside it."""
    length_limits: list[int] = field(default_factory=list)
    """Token limits of completions, none above `rollout.max_tokens`, which holds before the first of `length_steps` and
    stays the constant of `constant_length`."""


@dataclass
class AlgorithmConfig:
    """Advantage → loss → reduction."""

    advantage: str = "group_mean_std"
    """A name from `grpo/algorithm/advantages/`."""
    loss: str = "clipped_ratio"
    """A name from `grpo/algorithm/losses/`."""
    reduction: str = "token_mean"
    """A name from `grpo/algorithm/reductions/`; the normaliser spans the whole optimizer step."""
    clip_low: float = 0.2
    """Ratios below 1 - clip_low stop the gradient of completions with negative advantage."""
    clip_high: float = 0.2
    """Ratios above 1 + clip_high stop the gradient of completions with positive advantage."""
    dual_clip: float = 0.0
    """With negative advantage a ratio counts as this at most, in the losses that clip (3 in verl, 4 in INTELLECT-2); 0
    is off."""
    sapo_positive: float = 1.0
    """Temperature of SAPO's gate where the advantage is positive."""
    sapo_negative: float = 1.05
    """Temperature of SAPO's gate where the advantage is not positive."""
    covariance_share: float = 0.0002
    """Share of the step's tokens that Clip-Cov stops and KL-Cov penalises."""
    covariance_low: float = 1.0
    """Clip-Cov draws among the tokens whose covariance is above this."""
    covariance_high: float = 5.0
    """Clip-Cov draws among the tokens whose covariance is below this."""
    covariance_coef: float = 1.0
    """Weight of |log ratio| on the tokens KL-Cov picks."""
    entropy_coef: float = 0.0
    """Weight of the entropy bonus: this times the mean entropy is taken off the loss."""
    importance: str = "truncate"
    """What corrects the mismatch between sampler and trainer, with ρ = exp(old - sampler): `truncate` weighs by min(ρ,
    cap), `mask` by ρ inside [floor, cap] and 0 outside, `off` by 1."""
    importance_level: str = "token"
    """ρ of each `token`, the product over a `sequence`, or its `geometric` mean, which only rejects: under `mask` it
    weighs by 1 inside the bounds (sensible ones are close to 1, such as 0.999 and 1.001)."""
    importance_cap: float = 2.0
    """Largest ρ."""
    importance_floor: float = 0.0
    """Smallest ρ, under `mask`."""
    max_staleness: int = 16
    """Most optimizer steps between the weights that sampled a completion and those that learn from it; older ones are
    left out of the update."""
    kl_coef: float = 0.0
    """Weight of the KL penalty against the reference, at first the stage's start model; 0 keeps no reference."""
    kl_estimator: str = "k3"
    """`k1`, `k2`, `k3`, or `k3_unbiased` (k3 times the policy's ratio, as in DeepSeek-V3.2)."""
    kl_in: str = "loss"
    """Where the penalty goes: into the `loss`, or into the `reward` before advantages are taken (then `k1`)."""
    reference_reset_steps: int = 0
    """The reference becomes the policy of now every so many steps of the stage; 0: never."""
    dead_groups: str = "count"
    """Groups with equal rewards are never computed; `count`: they stay in the normaliser; `exclude`: they do not."""
    truncated: str = "learn"
    """Completions cut off at the token limit: `learn` from them, or `mask` them out of loss and normaliser (overlong
    filtering); their rewards count in the baseline either way."""
    selection: SelectionConfig = field(default_factory=SelectionConfig)
