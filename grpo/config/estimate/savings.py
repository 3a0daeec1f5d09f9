"""What would lower a run's peak most: the estimate once more for each change that is valid for the config."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grpo.config.check import check
from grpo.config.check_slices import has_gpu
from grpo.config.errors import ConfigError
from grpo.config.estimate.memory import memory_of
from grpo.config.schema import ReinforceConfig, RunConfig, SFTConfig
from grpo.config.slices import OptimizerConfig

Change = Callable[[RunConfig], None]
SMALLEST_MICRO_BATCH = 256
LORA_RANK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """One change of the config."""

    change: str
    """As on the command line."""
    bytes: int
    """By how much the peak falls."""


def savings(config: RunConfig, *, gpu: bool | None = None, most: int = 3) -> list[Saving]:
    """The changes that save most, best first; those that save nothing are left out."""
    before = memory_of(config, gpu=gpu)
    if before is None:
        return []
    found: list[Saving] = []
    for text, change in candidates(config, gpu=has_gpu() if gpu is None else gpu):
        changed = copy.deepcopy(config)
        change(changed)
        after = memory_of(changed, gpu=gpu) if _valid(changed) else None
        if after is not None and after.peak_bytes < before.peak_bytes:
            found.append(Saving(change=text, bytes=before.peak_bytes - after.peak_bytes))
    found.sort(key=lambda saving: -saving.bytes)
    best = {saving.change.partition("=")[0]: saving for saving in reversed(found)}  # of each knob its best value
    return [saving for saving in found if best[saving.change.partition("=")[0]] is saving][:most]


def candidates(config: RunConfig, *, gpu: bool) -> Iterator[tuple[str, Change]]:
    """Changes of memory: first those that leave what is computed as it is, then rounding, then adapters."""
    model, optimizer, rollout = config.model, config.optimizer, config.rollout
    if model.activations == "keep":
        yield "model.activations=recompute", lambda run: setattr(run.model, "activations", "recompute")
    if model.activations != "offload" and gpu:
        yield "model.activations=offload", lambda run: setattr(run.model, "activations", "offload")
    half = optimizer.max_tokens_per_micro_batch // 2
    if half >= SMALLEST_MICRO_BATCH:
        yield (
            f"optimizer.max_tokens_per_micro_batch={half}",
            lambda run: _set(run, "max_tokens_per_micro_batch", half),
        )
    if optimizer.name != "compact_adamw":
        yield "optimizer=compact_adamw", lambda run: _set(run, "name", "compact_adamw")
    if optimizer.states != "host":
        yield "optimizer.states=host", lambda run: _set(run, "states", "host")
    if model.dtype == "float32":
        yield "model.dtype=bfloat16", lambda run: setattr(run.model, "dtype", "bfloat16")
    if rollout.engine == "vllm" and rollout.cpu_kv_cache_gib > 0.5:
        cache = rollout.cpu_kv_cache_gib / 2
        yield f"rollout.cpu_kv_cache_gib={cache:g}", lambda run: _set_cache(run, cache)
    if model.lora.rank == 0:
        yield f"model.lora.rank={LORA_RANK}", lambda run: setattr(run.model.lora, "rank", LORA_RANK)


def _set(config: RunConfig, key: str, value: object) -> None:
    """In the run's optimizer slice and in the stages that have the run's value, as the command line would."""
    before = getattr(config.optimizer, key)
    for slice_ in [config.optimizer, *_optimizers(config)]:
        if getattr(slice_, key) == before:
            setattr(slice_, key, value)


def _optimizers(config: RunConfig) -> list[OptimizerConfig]:
    return [stage.optimizer for stage in config.stages.values() if isinstance(stage, (SFTConfig, ReinforceConfig))]


def _set_cache(config: RunConfig, value: float) -> None:
    for slice_ in [config, *config.stages.values()]:
        if hasattr(slice_, "rollout"):
            slice_.rollout.cpu_kv_cache_gib = value


def _valid(config: RunConfig) -> bool:
    try:
        check(config)
    except ConfigError:
        return False
    return True
