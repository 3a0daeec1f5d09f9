"""Each rollout engine: tokens a second, and how long it takes to give it new weights and to prove them."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from benchmarks.workload import CONTEXT, Sizes, seconds_of
from grpo.config.schema import ArithmeticConfig
from grpo.data.arithmetic import generate
from grpo.model.load import LoadedModel
from grpo.rollouts.engine import EngineSettings, RolloutEngine
from grpo.rollouts.registry import start_engine
from grpo.stages.sampler import PolicySampler
from grpo.types import Group, SamplingSettings
from grpo.update.mismatch import mismatch_limit
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy


def measure_engine(name: str, loaded: LoadedModel, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Medians over `sizes.repeats`; the first call is reported apart. Raises EngineError when it cannot start."""
    settings = EngineSettings(
        name=name, model_folder=folder, context=CONTEXT, max_sequences=sizes.prompts * sizes.completions
    )
    engine: list[RolloutEngine] = []
    start = seconds_of(lambda: engine.append(start_engine(settings)))
    try:
        return {"version": engine[0].library_version, "start_seconds": start} | _measure(engine[0], loaded, sizes)
    finally:
        engine[0].close()


def _measure(engine: RolloutEngine, loaded: LoadedModel, sizes: Sizes) -> dict[str, Any]:
    policy = Policy(loaded.model.eval())
    encoder = loaded.encoder(None, sizes.max_tokens)
    limits = PackingLimits(row=512, micro_batch=8192)
    sampler = PolicySampler(engine, policy, encoder, mismatch_limit("float32", None), limits)
    problems = generate(ArithmeticConfig(problems=sizes.prompts, held_out=1))[0]
    settings = SamplingSettings(completions_per_prompt=sizes.completions, max_tokens=sizes.max_tokens)
    times, rates, updates, syncs = [], [], [], []
    for repeat in range(sizes.repeats + 1):
        updates.append(seconds_of(lambda version=repeat: engine.update_weights(policy.named_weights(), version)))
        syncs.append(seconds_of(lambda version=repeat: sampler.push_weights(version)))
        found: list[Group] = []
        times.append(seconds_of(lambda r=repeat, f=found: f.extend(sampler.sample(problems, settings, sizes.seed, r))))
        rates.append(sum(len(c.token_ids) for group in found for c in group.completions) / times[-1])
    update = statistics.median(updates[1:])
    return {
        "first_call_seconds": times[0],
        "seconds": times[1:],
        "tokens_per_second": statistics.median(rates[1:]),
        "weight_update_seconds": update,
        "probe_seconds": max(0.0, statistics.median(syncs[1:]) - update),
        "probe_logprob_diff_max": sampler.largest_probe_difference,
    }
