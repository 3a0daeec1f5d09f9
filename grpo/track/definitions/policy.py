"""Metrics of the update."""

from __future__ import annotations

from grpo.track.metric import Metric

POLICY = (
    Metric(
        "loss",
        "",
        "Loss of the step: the policy loss in RL, mean negative log-likelihood in SFT.",
        "In SFT it falls; in RL it hovers around zero and says little, so read the reward instead.",
    ),
    Metric(
        "kl",
        "nats",
        "Mean estimate (`algorithm.kl_estimator`) of KL(policy || reference) per token; of the sampler with "
        "`algorithm.kl_in=reward`.",
        "Slow growth; a sudden rise means the policy runs away from its start.",
    ),
    Metric(
        "entropy",
        "nats",
        "Mean entropy of the policy's next-token distribution over sampled tokens.",
        "A gentle decline; near zero the policy stops exploring, a steep rise means it falls apart.",
    ),
    Metric("clip_ratio/low_mean", "share", "Tokens with negative advantage whose ratio fell below 1 - clip_low."),
    Metric("clip_ratio/high_mean", "share", "Tokens with positive advantage whose ratio rose above 1 + clip_high."),
    Metric(
        "clip_ratio/region_mean",
        "share",
        "Tokens whose gradient was stopped by clipping, either side.",
        "Zero with one optimizer step per rollout; a few per cent with several.",
    ),
    Metric(
        "grad_norm",
        "",
        "Global norm of the gradient before it is scaled down.",
        "Steady; spikes that grow are the first sign of instability.",
    ),
    Metric("learning_rate", "", "Learning rate of the step.", "It follows the schedule you set."),
)
