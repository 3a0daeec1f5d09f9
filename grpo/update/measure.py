"""The metrics of one update, added up over its micro-batches."""

from __future__ import annotations

import torch

from grpo.kernels.token_logprob import HeadLoss
from grpo.update.meter import Meter
from grpo.update.objective import StepObjective, TokenFacts, importance_ratio


def measure(meter: Meter, objective: StepObjective, facts: TokenFacts, found: HeadLoss) -> None:
    """Loss, entropy, ratios and clipping of the N tokens of one micro-batch."""
    terms, ratio = objective.terms(found.logprob, facts), torch.exp(found.logprob - facts.anchor(found.logprob))
    meter.total("loss", found.loss.item())
    meter.add("entropy", found.entropy)
    meter.add("clip_ratio/low_mean", terms.clipped_low)
    meter.add("clip_ratio/high_mean", terms.clipped_high)
    meter.add("clip_ratio/region_mean", terms.clipped_low | terms.clipped_high)
    _spread(meter, "ratio", ratio)
    importance = importance_ratio(found.logprob, facts)
    _spread(meter, "sampling/importance_sampling_ratio", importance)
    if objective.corrects:
        meter.add("sampling/importance_sampling_ratio/cut", objective.bounds.outside(importance))
    if facts.reference is not None:
        meter.add("kl", objective.kl(found.logprob, facts))


def measure_mismatch(meter: Meter, difference: torch.Tensor) -> None:
    """`difference` (N,): trainer's log-prob less the sampler's, at the start of the rollout step."""
    exact = difference.double()
    meter.add("sampling/sampling_logp_difference/mean", exact.abs())
    meter.extreme("sampling/sampling_logp_difference/max", exact.abs(), "max")
    # Over tokens the sampler drew, the mean of exp(d) - 1 - d estimates KL(sampler || trainer) and is never negative;
    # expm1, because d may be 1e-6.
    meter.add("mismatch_kl", torch.expm1(exact) - exact)


def _spread(meter: Meter, name: str, values: torch.Tensor) -> None:
    meter.extreme(f"{name}/min", values, "min")
    meter.add(f"{name}/mean", values)
    meter.extreme(f"{name}/max", values, "max")
