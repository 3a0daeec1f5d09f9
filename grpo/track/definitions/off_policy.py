"""Metrics of how far sampler, trainer and updated policy are from each other."""

from __future__ import annotations

from grpo.track.metric import Metric

OFF_POLICY = (
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
        "mismatch_kl",
        "nats",
        "k3 estimate of KL(sampler || trainer) per token, over the sampled tokens at the start of the rollout step.",
        "Below 0.001, and flat; growth says that trainer and sampler drift apart and there is more to correct.",
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
