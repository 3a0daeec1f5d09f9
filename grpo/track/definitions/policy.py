"""Metrics of the update, and of trainer against sampler."""

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
    Metric("ratio/min", "", "Smallest ratio of a token's probability now to that at the start of the rollout step."),
    Metric(
        "ratio/mean",
        "",
        "Mean ratio of a token's probability now to that at the start of the rollout step.",
        "Exactly 1 with one optimizer step per rollout; close to 1 with several.",
    ),
    Metric("ratio/max", "", "Largest ratio of a token's probability now to that at the start of the rollout step."),
    Metric(
        "staleness/max",
        "steps",
        "Most optimizer steps between the weights that sampled a completion and the last that would learn from it.",
        "One less than the optimizer steps per rollout.",
    ),
    Metric(
        "staleness/dropped",
        "completions",
        "Completions older than `algorithm.max_staleness` allows, left out of the update.",
        "Zero.",
    ),
    Metric(
        "grad_norm",
        "",
        "Global norm of the gradient before it is scaled down.",
        "Steady; spikes that grow are the first sign of instability.",
    ),
    Metric("learning_rate", "", "Learning rate of the step.", "It follows the schedule you set."),
)

MISMATCH = (
    Metric(
        "mismatch_kl",
        "nats",
        "k3 estimate of KL(sampler || trainer) per sampled token, before the first update on it.",
        "Below 0.001, and flat; growth means that the two no longer run the same policy.",
    ),
    Metric(
        "sampling/sampling_logp_difference/mean",
        "nats",
        "Mean |trainer log-prob - sampler log-prob| of the sampled tokens.",
    ),
    Metric(
        "sampling/sampling_logp_difference/max",
        "nats",
        "Largest |trainer log-prob - sampler log-prob| of the step's sampled tokens.",
        "Tiny (about 1e-5 in float32); growth means trainer and sampler no longer run the same model.",
    ),
    Metric(
        "sampling/importance_sampling_ratio/min",
        "",
        "Smallest trainer-to-sampler probability ratio, of a token or as `algorithm.importance_level` says.",
    ),
    Metric(
        "sampling/importance_sampling_ratio/mean",
        "",
        "Mean over tokens of the trainer-to-sampler probability ratio at that level.",
        "Very close to 1.",
    ),
    Metric("sampling/importance_sampling_ratio/max", "", "Largest trainer-to-sampler probability ratio at that level."),
    Metric(
        "sampling/importance_sampling_ratio/cut",
        "share",
        "Tokens whose ratio at that level was capped or masked by the importance correction.",
        "Zero in float32; where it grows, the correction throws data away.",
    ),
    Metric(
        "probe/max_logprob_diff",
        "nats",
        "Largest trainer-to-sampler log-prob difference on fixed tokens after a weight sync.",
        "As small as the dtype allows; above the limit the run stops.",
    ),
)
