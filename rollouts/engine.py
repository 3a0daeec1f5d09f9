"""What every rollout engine offers. One conformance suite (`tests/rollouts/`) runs against all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from grpo.types import Completion, Group, Prompt, SamplingSettings

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")


class EngineError(RuntimeError):
    """An engine could not start, sample or take weights; the message says what to do."""


class EngineDeadlineError(EngineError):
    """A named wait on the engine ran past its deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What an engine is started with; the values a run chooses once."""

    name: str
    """A name from `grpo.rollouts.registry.ENGINES`."""
    model_folder: Path
    """Hugging Face folder: config.json and safetensors. Its weights are version 0."""
    dtype: str = "float32"
    """Weights and compute: `float32`, `bfloat16` or `float16`."""
    context: int
    """Longest prompt plus completion, in tokens."""
    max_sequences: int = 256
    """Most completions computed at the same time."""
    deadline_seconds: float = 600.0
    """Most time for one engine call."""
    log_path: Path | None = None
    """File that takes what the library behind the engine prints; None discards it."""
    seed: int = 0
    """Seed of the engine itself; completions depend on their prompt's seed alone."""
    cpu_kv_cache_gib: float = 1.0
    """vLLM's key-value cache on CPU, GiB."""
    gpu_memory_utilization: float = 0.4
    """Share of the GPU's memory vLLM may take."""
    sleep_between_phases: bool = True
    """On a GPU, `sleep` releases vLLM's memory."""

    def __post_init__(self) -> None:
        _require(self.dtype in DTYPES, f"dtype={self.dtype!r}: valid are {', '.join(DTYPES)}")
        _require(self.context >= 2, f"context={self.context}: at least 2 tokens are needed")
        _require(self.max_sequences >= 1, f"max_sequences={self.max_sequences}: must be at least 1")
        _require(self.deadline_seconds > 0, f"deadline_seconds={self.deadline_seconds}: must be above 0")
        _require(self.cpu_kv_cache_gib > 0, f"cpu_kv_cache_gib={self.cpu_kv_cache_gib}: must be above 0")
        share = self.gpu_memory_utilization
        _require(0 < share <= 1, f"gpu_memory_utilization={share}: must be above 0 and at most 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstGroups:
    """What `sample_first` gives: the groups that were complete first."""

    groups: tuple[Group | None, ...]
    """One for each prompt, in order; None: not among the first."""
    tokens_discarded: int
    """Completion tokens sampled for the other prompts."""


class RolloutEngine(Protocol):
    """Token ids in, token ids out. Weights of version 0 are those of the folder the engine was started on.

    Every call raises EngineDeadlineError when it takes longer than `EngineSettings.deadline_seconds`.
    """

    name: str
    """As in the config: `vllm`, `transformers`, `scripted`."""
    library_version: str
    """Version of the library behind it, for `summary.json`."""

    def sample(self, prompts: Sequence[Prompt], settings: SamplingSettings) -> list[Group]:
        """One group per prompt, in order; each completion carries the current weight version.

        The same prompts, seeds, settings and weights give the same completions, in this process or another.
        Greedy completions (temperature 0) carry log-probs at temperature 1.
        """
        ...

    def sample_first(self, prompts: Sequence[Prompt], settings: SamplingSettings, count: int) -> FirstGroups:
        """The `count` groups that are complete first; the others are stopped then, and their tokens lost.

        What comes first counts in tokens, not in seconds: the engine's decoding steps, in ties the order of the
        prompts. So it depends on prompts, seeds, settings and weights, and on how many completions the engine
        computes at the same time. The groups are those that `sample` gives.

        Raises ValueError unless 1 <= count <= the number of prompts.
        """
        ...

    def score(self, sequences: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
        """Log-probs (nats, temperature 1) of tokens 1..T-1 of each sequence given what precedes them: the probe."""
        ...

    def update_weights(
        self, named_tensors: Iterable[tuple[str, torch.Tensor]], version: int, *, partial: bool = False
    ) -> None:
        """Take the full set of weights, named as in the Hugging Face checkpoint; drops every cached prefix.

        With `partial` the weights that are not given stay as they are. Linear layers then come with all others of
        their block (parent module), because engines fuse layers of a block into one matrix.

        The tensors are copied. EngineError names what is missing, unknown or of the wrong shape; after it the
        engine holds a mixture and refuses further work.
        """
        ...

    def sleep(self) -> None:
        """Give back device memory until `wake`; engines that cannot do so keep it."""
        ...

    def wake(self) -> None: ...

    def close(self) -> None:
        """Free everything; a second call does nothing."""
        ...


def check_request(prompts: Sequence[Prompt], settings: SamplingSettings, context: int) -> None:
    """ValueError on sampling settings or prompts that no engine can serve within `context` tokens."""
    group, most = settings.completions_per_prompt, settings.max_tokens
    _require(group >= 1, f"completions_per_prompt={group}: must be at least 1")
    _require(most >= 1, f"max_tokens={most}: must be at least 1")
    temperature = settings.temperature
    _require(math.isfinite(temperature) and temperature >= 0, f"temperature={temperature}: must be 0 or above")
    _require(0 < settings.top_p <= 1, f"top_p={settings.top_p}: must be above 0 and at most 1")
    _require(settings.top_k >= 0, f"top_k={settings.top_k}: must be 0 (off) or above")
    _require(0 <= settings.min_p <= 1, f"min_p={settings.min_p}: must be from 0 (off) to 1")
    for prompt in prompts:
        length = len(prompt.token_ids)
        _require(length >= 1, f"prompt {prompt.problem_id!r} has no tokens: at least one is needed")
        _require(
            length + most <= context,
            f"prompt {prompt.problem_id!r} has {length} tokens; with max_tokens={most} that exceeds context={context}",
        )


def check_count(count: int, prompts: Sequence[Prompt]) -> None:
    """ValueError on a number of groups that `sample_first` cannot give."""
    _require(1 <= count <= len(prompts), f"count={count}: valid is 1 to {len(prompts)}, the number of prompts")


def check_sequences(sequences: Sequence[tuple[int, ...]], context: int) -> None:
    """ValueError on a sequence that cannot be scored within `context` tokens."""
    for index, sequence in enumerate(sequences):
        length = len(sequence)
        _require(1 <= length <= context, f"sequence {index} has {length} tokens: valid are 1 to context={context}")


def completion(
    token_ids: Sequence[int], logprobs: Sequence[float], eos_token_ids: Sequence[int], version: int
) -> Completion:
    """The sampled tokens of one row as a Completion; it stopped when its last token ends sequences."""
    assert len(token_ids) == len(logprobs) > 0, (len(token_ids), len(logprobs))
    return Completion(
        token_ids=tuple(token_ids),
        logprobs=tuple(logprobs),
        finish_reason="stop" if token_ids[-1] in eos_token_ids else "length",
        weight_version=version,
    )


def groups(prompts: Sequence[Prompt], completions: Sequence[Completion]) -> list[Group]:
    """Completions, prompt by prompt and in index order, as one group per prompt."""
    if not prompts:
        return []
    size, rest = divmod(len(completions), len(prompts))
    assert rest == 0, (len(completions), len(prompts))
    return [
        Group(prompt=prompt, completions=tuple(completions[index * size : (index + 1) * size]))
        for index, prompt in enumerate(prompts)
    ]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
