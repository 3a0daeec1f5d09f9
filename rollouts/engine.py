"""What every rollout engine offers. One conformance suite (`tests/rollouts/`) runs against all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from grpo.types import Group, Prompt, SamplingSettings

if TYPE_CHECKING:
    import torch


class EngineError(RuntimeError):
    """An engine could not start, sample or take weights; the message says what to do."""


class EngineDeadlineError(EngineError):
    """A named wait on the engine ran past its deadline."""


class RolloutEngine(Protocol):
    """Token ids in, token ids out. Weights of version 0 are those of the folder the engine was started on."""

    name: str
    """As in the config: `vllm`, `transformers`, `scripted`."""
    library_version: str
    """Version of the library behind it, for `summary.json`."""

    def sample(self, prompts: Sequence[Prompt], settings: SamplingSettings) -> list[Group]:
        """One group per prompt, in order; each completion carries the current weight version.

        The same prompts, seeds, settings and weights give the same completions, in this process or another.
        """
        ...

    def score(self, sequences: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
        """Log-probs (nats, temperature 1) of tokens 1..T-1 of each sequence given what precedes them: the probe."""
        ...

    def update_weights(self, named_tensors: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Take the full set of weights, named as in the Hugging Face checkpoint; drops every cached prefix."""
        ...

    def sleep(self) -> None:
        """Give back device memory until `wake`; engines that cannot do so keep it."""
        ...

    def wake(self) -> None: ...

    def close(self) -> None: ...
