"""`python -m benchmarks.sampling [--quick] [--out FILE.json]`: each rollout engine's tokens a second, and how long it
takes to give it new weights and to prove them."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.record import facts, write
from benchmarks.timing import seconds_of
from grpo.config.slices import ArithmeticConfig, DataConfig, ModelConfig, ScratchConfig
from grpo.data.arithmetic import training_problems
from grpo.model.load import LoadedModel, load_model
from grpo.model.scratch import write_scratch_model
from grpo.rollouts.engine import EngineError, EngineSettings, RolloutEngine
from grpo.rollouts.registry import start_engine
from grpo.stages.sampler import PolicySampler
from grpo.types import SamplingSettings
from grpo.update.mismatch import mismatch_limit
from grpo.update.packing import PackingLimits
from grpo.update.policy import Policy

ENGINES = ("transformers", "vllm")
"""vLLM last: it changes this process's threads."""
CONTEXT = 384
"""Longest prompt plus completion, tokens; rotary positions have no weights, so the model stays the default one."""
PROBE_LIMITS = PackingLimits(micro_batch=8192)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured, and the seed it is drawn with."""

    prompts: int = 32
    completions: int = 8
    max_tokens: int = 48
    repeats: int = 7
    seed: int = 0


QUICK = Sizes(prompts=8, completions=4, max_tokens=16, repeats=5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if one is named; 1 when an engine could not be measured, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampling", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, not a result")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write every figure")
    options = parser.parse_args(arguments)
    record = measure(QUICK if options.quick else Sizes(), ENGINES)
    print("\n".join(table(record)))
    if options.out:
        write(record, options.out)
    return int(any("error" in entry for entry in record["engines"].values()))


def measure(sizes: Sizes, engines: Sequence[str]) -> dict[str, Any]:
    """Everything, as the JSON file has it. An engine that cannot start gives its `error` in place of figures."""
    record = facts("sampling", sizes.seed) | {"sizes": asdict(sizes), "engines": {}}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        loaded = scratch_model(folder, sizes.seed)
        record["parameters"] = loaded.model.num_parameters()
        for name in engines:
            try:
                record["engines"][name] = measure_engine(name, loaded, folder, sizes)
            except EngineError as error:
                record["engines"][name] = {"error": str(error)}
    return record


def scratch_model(folder: Path, seed: int) -> LoadedModel:
    """The model of the embedded example, untrained, written to `folder` and loaded from it."""
    config = ModelConfig(scratch=ScratchConfig(context=CONTEXT))
    write_scratch_model(config.scratch, (), seed, folder)
    return load_model(folder, config)


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
    encoder = loaded.encoder(DataConfig(), sizes.max_tokens)
    sampler = PolicySampler(engine, policy, encoder, mismatch_limit("float32", None), PROBE_LIMITS)
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


def table(record: dict[str, Any]) -> Iterator[str]:
    """The figures a person looks for first."""
    machine, sizes = record["machine"], record["sizes"]
    yield f"{machine['processor']}, {machine['threads']} threads, commit {record['commit']}"
    yield f"{record['parameters']:,} parameters, {sizes['prompts']} prompts x {sizes['completions']} completions"
    yield f"\n{'sampling':<14}{'tok/s':>14}{'first call s':>14}{'update ms':>12}{'+ probe ms':>12}"
    for name, row in record["engines"].items():
        if "error" in row:
            yield f"{name:<14}  {row['error']}"
            continue
        sync = f"{1000 * row['weight_update_seconds']:>12.1f}{1000 * row['update_and_probe_seconds']:>12.1f}"
        yield f"{name:<14}{row['tokens_per_second']:>14,.0f}{row['first_call_seconds']:>14.1f}{sync}"


if __name__ == "__main__":
    sys.exit(main())
