"""Peak memory of a run before it starts: the phases of every stage, what each holds, and the largest of them.

Counted is what lies above the process's memory after its imports. On a CPU host and device are the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grpo.config.check_slices import has_gpu
from grpo.config.estimate import parts
from grpo.config.estimate.batches import held_out_problems
from grpo.config.estimate.shape import BYTES, Shape, adapter_parameters, parameter_count, shape_of
from grpo.config.schema import BudgetConfig, EvaluateConfig, ReinforceConfig, RunConfig, SFTConfig
from grpo.config.stages_data import SAMPLED_AT_ONCE, DataSetConfig

LIBRARIES = {"cpu": 30 * 2**20, "cuda": 0}
"""What libraries take at their first use: modelling code, thread pools, packing buffers of matrix products."""
VLLM_LIBRARIES = 600 * 2**20
"""Resident after vLLM's import and start, which are part of the run; on a GPU it lies on the host."""
MOST_AT_ONCE, EVALUATED_AT_ONCE = 1024, 128
"""As in `grpo.stages.engine_slot`, which imports torch."""
Sampling = ReinforceConfig | EvaluateConfig | BudgetConfig | DataSetConfig
"""Stages that sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Bytes by what holds them, at the peak of one phase of a stage."""

    stage: str
    name: str
    device: dict[str, int]
    host: dict[str, int]
    """Beside the device; empty on a CPU, where all is on the device."""

    @property
    def label(self) -> str:
        return f"{self.stage} {self.name}".strip()

    @property
    def total(self) -> int:
        return sum(self.device.values())

    @property
    def host_total(self) -> int:
        return sum(self.host.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of a whole run."""

    phases: tuple[Phase, ...]
    unknown: tuple[str, ...] = ()
    """What could not be counted, and why."""

    @property
    def peak(self) -> Phase:
        return max(self.phases, key=lambda phase: phase.total)

    @property
    def peak_bytes(self) -> int:
        return self.peak.total

    @property
    def host_bytes(self) -> int:
        return max(phase.host_total for phase in self.phases)


def memory_of(config: RunConfig, *, gpu: bool | None = None) -> Estimate | None:
    """The phases of the pipeline on this machine, or None when the model's size is unknown."""
    parameters = parameter_count(config.model)
    if parameters is None:
        return None
    run = _Run(config, parameters, shape_of(config.model), cpu=not (has_gpu() if gpu is None else gpu))
    unknown = []
    if run.shape is None:
        unknown.append(
            f"activations, logits and key-value cache: the shape of {config.model.name} is in no local folder"
        )
    return Estimate(phases=tuple(run.phases()), unknown=tuple(unknown))


class _Run:
    """What is the same in every stage."""

    def __init__(self, config: RunConfig, parameters: int, shape: Shape | None, *, cpu: bool) -> None:
        self.config, self.shape, self.cpu = config, shape, cpu
        self.adapters = adapter_parameters(config.model)
        self.weights = parameters * BYTES[config.model.dtype] + self.adapters * parts.FLOAT
        self.base_weights = parameters * BYTES[config.model.dtype]
        self.parameters = parameters
        self.engine_started = False

    def phases(self) -> Iterator[Phase]:
        if self.config.model.name == "scratch":  # made in float32 and written
            yield self._phase("", "create", {"weights": self.parameters * parts.FLOAT})
        for name in self.config.pipeline:
            stage = self.config.stages[name]
            if isinstance(stage, Sampling):
                self.engine_started = stage.rollout.engine != "scripted"
            if isinstance(stage, (ReinforceConfig, SFTConfig)):
                yield from self._learning(name, stage)
            elif isinstance(stage, (EvaluateConfig, BudgetConfig)):
                rows = min(MOST_AT_ONCE, held_out_problems(stage) * stage.samples_per_problem, EVALUATED_AT_ONCE)
                yield self._rollout(name, stage, rows, {})
            elif isinstance(stage, DataSetConfig):  # a teacher is taken to be of the policy's size
                yield self._rollout(name, stage, SAMPLED_AT_ONCE, {})
            else:
                yield self._phase(name, "save", {"weights": self.base_weights, "copy": self.base_weights})

    def _learning(self, name: str, stage: SFTConfig | ReinforceConfig) -> Iterator[Phase]:
        kept = self._kept(stage)
        if isinstance(stage, ReinforceConfig):
            rows = min(MOST_AT_ONCE, stage.prompts_per_step * stage.rollout.completions_per_prompt)
            yield self._rollout(name, stage, rows, kept)
        yield self._update(name, stage, kept)
        yield self._phase(name, "optimizer", {"weights": self.weights, **kept, "gradients": self._gradients()})
        yield self._phase(name, "save", {"weights": self.weights, **kept, "copy": self.base_weights})

    def _kept(self, stage: SFTConfig | ReinforceConfig) -> dict[str, int]:
        """What a stage that trains holds from step to step, beside the weights."""
        trained, dtype = (self.adapters, "float32") if self.adapters else (self.parameters, self.config.model.dtype)
        kept = {"moments": parts.states(trained, dtype, stage.optimizer)}
        if isinstance(stage, ReinforceConfig) and stage.algorithm.kl_coef > 0:
            if not self.adapters:
                kept["reference"] = self.base_weights
            elif stage.algorithm.reference_reset_steps > 0:  # else adapters are switched off, which takes nothing
                kept["reference"] = self.adapters * parts.FLOAT
        return kept

    def _gradients(self) -> int:
        if self.adapters:
            return self.adapters * parts.FLOAT
        if self.shape is None:
            return self.base_weights
        return parts.gradients(self.shape, self.config.model.dtype)

    def _update(self, name: str, stage: SFTConfig | ReinforceConfig, kept: dict[str, int]) -> Phase:
        """The largest moment of a micro-batch: in the head, or at the start of the backward pass.

        Its own gradients come as its activations go; those of earlier micro-batches are all there.
        """
        held = {"weights": self.weights, **kept}
        if self.shape is None:
            return self._phase(name, "update", held | {"gradients": self._gradients()})
        model, shape = self.config.model, self.shape
        batch = parts.batch_of(stage, parts.demonstration_tokens(stage.data, self.config.rollout))
        head = parts.head_gradient(shape)
        present = self._gradients() if batch.several or self.adapters else head
        spare = parts.backward_spare(shape, batch, model.dtype)
        buffer = parts.head_buffer(shape, batch, model.dtype, cpu=self.cpu)
        found = held | {
            "gradients": present,
            "activations": parts.activations(shape, batch, model, cpu=self.cpu),
            "logits" if buffer > spare else "backward": max(buffer, spare),
        }
        return self._phase(name, "update", found)

    def _rollout(self, name: str, stage: Sampling, rows: int, kept: dict[str, int]) -> Phase:
        held = {"weights": self.weights, **kept}
        if stage.rollout.engine == "transformers" and self.shape is not None:
            tokens = parts.prompt_tokens(stage.data) + stage.rollout.max_tokens
            dtype = self.config.model.dtype
            held["cache"] = parts.key_value_cache(self.shape, rows, tokens, dtype, cpu=self.cpu)
            held["sampling"] = parts.sampling_spare(self.shape, rows, tokens, dtype)
        return self._phase(name, "rollout", held)

    def _phase(self, stage: str, name: str, held: dict[str, int]) -> Phase:
        """Adds the engine and the libraries, and puts on the host what lives there."""
        held = held | self._engine(name) | {"libraries": LIBRARIES["cpu" if self.cpu else "cuda"]}
        held = {part: size for part, size in held.items() if size}
        if self.cpu:
            return Phase(stage=stage, name=name, device=held, host={})
        moved = {"reference"}
        learning = self.config.stages.get(stage)
        if isinstance(learning, (SFTConfig, ReinforceConfig)) and learning.optimizer.states == "host":
            moved.add("moments")
        host = {part: size for part, size in held.items() if part in moved}
        return Phase(stage=stage, name=name, device={k: v for k, v in held.items() if k not in moved}, host=host)

    def _engine(self, phase: str) -> dict[str, int]:
        """Its own weights; vLLM's libraries and cache on a CPU. A sleeping vLLM leaves a GPU to the update."""
        if not self.engine_started:
            return {}
        rollout = self.config.rollout
        held = {"engine": self.base_weights}
        if rollout.engine == "vllm" and self.cpu:
            held |= {"vllm": VLLM_LIBRARIES, "cache": round(rollout.cpu_kv_cache_gib * 2**30)}
        if rollout.engine == "vllm" and not self.cpu and rollout.sleep_between_phases and phase != "rollout":
            return {}
        return held
