"""Each rollout engine: tokens a second, and how long it takes to give it new weights and to prove them."""

from __future__ import annotations

import statistics
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.workload import CASES, CONTEXT, Sizes, seconds_of
from grpo.config.slices import ArithmeticConfig
from grpo.data.arithmetic import training_problems
from grpo.model.load import LoadedModel
from grpo.rollouts.engine import EngineSettings, RolloutEngine
from grpo.rollouts.registry import start_engine
from grpo.stages.sampler import PolicySampler
from grpo.types import SamplingSettings
from grpo.update.mismatch import mismatch_limit
from grpo.update.policy import Policy


def measure_engine(name: str, loaded: LoadedModel, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Medians over `sizes.repeats`, the first call apart. Raises EngineError when the engine cannot start."""
    most = sizes.prompts * sizes.completions
    settings = EngineSettings(name=name, model_folder=folder, context=CONTEXT, max_sequences=most)
    engine = start_engine(settings)
    try:
        return {"version": engine.library_version} | _measure(engine, loaded, sizes)
    finally:
        engine.close()


def _measure(engine: RolloutEngine, loaded: LoadedModel, sizes: Sizes) -> dict[str, Any]:
    policy = Policy(loaded.model.eval())
    encoder = loaded.encoder(None, sizes.max_tokens)
    sampler = PolicySampler(engine, policy, encoder, mismatch_limit("float32", None), CASES["arithmetic"].limits)
    problems = training_problems(ArithmeticConfig(problems=sizes.prompts, held_out=1))
    settings = SamplingSettings(completions_per_prompt=sizes.completions, max_tokens=sizes.max_tokens)
    updates, syncs, times, rates = [], [], [], []
    for repeat in range(sizes.repeats + 1):
        updates.append(seconds_of(partial(engine.update_weights, policy.named_weights(), 2 * repeat)))
        syncs.append(seconds_of(partial(sampler.push_weights, 2 * repeat + 1)))
        groups: list[Any] = []
        times.append(seconds_of(lambda: groups.extend(sampler.sample(problems, settings, sizes.seed, repeat))))  # noqa: B023  called at once
        rates.append(sum(len(c.token_ids) for group in groups for c in group.completions) / times[-1])
    return {
        "first_call_seconds": times[0],
        "seconds": times[1:],
        "tokens_per_second": statistics.median(rates[1:]),
        "weight_update_seconds": statistics.median(updates[1:]),
        "update_and_probe_seconds": statistics.median(syncs[1:]),
        "probe_logprob_diff_max": sampler.largest_probe_difference,
    }
