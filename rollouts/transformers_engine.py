"""The `transformers` engine: batched sampling with a key-value cache, no vLLM needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
import transformers

from grpo.rollouts.checkpoint import Checkpoint
from grpo.rollouts.deadline import Deadline
from grpo.rollouts.engine import (
    EngineError,
    EngineSettings,
    FirstGroups,
    check_count,
    check_request,
    check_sequences,
)
from grpo.rollouts.first import first_complete
from grpo.rollouts.generation import GenerationTask, TokenChoice, generate, score
from grpo.rollouts.quiet import output_to
from grpo.rollouts.sampling import draw, uniform_noise
from grpo.types import Group, Prompt, SamplingSettings

SCORED_LOGITS = 2**27
"""Most logits held at once while scoring: half a GiB in float32."""


class TransformersEngine:
    """A `RolloutEngine` on a Hugging Face causal language model, on the first GPU or else the CPU.

    A completion depends on (prompt, prompt.seed, its index, weights); which other prompts share the call only
    changes the rounding of its log-probs.
    """

    name = "transformers"

    def __init__(self, settings: EngineSettings) -> None:
        self.library_version: str = transformers.__version__
        self.settings = settings
        self.checkpoint = Checkpoint.read(settings.model_folder)
        self._version: int | None = 0
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with self._deadline("start"), output_to(settings.log_path):
            model = transformers.AutoModelForCausalLM.from_pretrained(
                settings.model_folder, dtype=getattr(torch, settings.dtype)
            )
            self._model: Any = model.to(device).eval().requires_grad_(False)
        self._parameters: dict[str, torch.Tensor] = self._model.state_dict()

    def sample(self, prompts: Sequence[Prompt], settings: SamplingSettings) -> list[Group]:
        return [group for group in self._sample(prompts, settings, len(prompts)).groups if group is not None]

    def sample_first(self, prompts: Sequence[Prompt], settings: SamplingSettings, count: int) -> FirstGroups:
        """Of prompts that do not fit at once the first batch runs before the second begins."""
        check_count(count, prompts)
        return self._sample(prompts, settings, count)

    def _sample(self, prompts: Sequence[Prompt], settings: SamplingSettings, count: int) -> FirstGroups:
        check_request(prompts, settings, self.settings.context)
        version = self._usable()
        at_once = max(1, self.settings.max_sequences // settings.completions_per_prompt)
        found: list[Group | None] = []
        missing, discarded = count, 0
        with self._deadline("sampling") as deadline:
            for first in range(0, len(prompts), at_once):
                batch = prompts[first : first + at_once]
                if missing == 0:
                    found += [None] * len(batch)
                    continue
                task = GenerationTask(
                    prompts=[prompt.token_ids for prompt in batch],
                    settings=settings,
                    eos_token_ids=self.checkpoint.eos_token_ids,
                    choose=self._token_choice(batch, settings),
                    between_steps=deadline.check,
                    enough=min(missing, len(batch)),
                )
                done = first_complete(batch, generate(self._model, task), task, version)
                found += done.groups
                missing -= sum(group is not None for group in done.groups)
                discarded += done.tokens_discarded
        return FirstGroups(groups=tuple(found), tokens_discarded=discarded)

    def score(self, sequences: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
        check_sequences(sequences, self.settings.context)
        self._usable()
        longest = max(map(len, sequences), default=1)
        at_once = max(1, SCORED_LOGITS // (longest * self.checkpoint.vocab_size))
        scores = []
        with self._deadline("scoring") as deadline:
            for first in range(0, len(sequences), at_once):
                deadline.check()
                scores += score(self._model, sequences[first : first + at_once])
        return scores

    def update_weights(
        self, named_tensors: Iterable[tuple[str, torch.Tensor]], version: int, *, partial: bool = False
    ) -> None:
        self._usable()
        self._version = None
        with self._deadline("weight update") as deadline, torch.inference_mode():
            for name, tensor in self.checkpoint.checked(named_tensors, partial=partial):
                deadline.check()
                self._parameters[name].copy_(tensor)
        self._version = version

    def sleep(self) -> None:
        """Keeps its memory."""

    def wake(self) -> None:
        """Nothing to wake."""

    def close(self) -> None:
        self._version = self._model = None
        self._parameters = {}

    def _token_choice(self, prompts: Sequence[Prompt], settings: SamplingSettings) -> TokenChoice:
        """Draws from the policy with noise of its own for each completion; greedy at temperature 0."""
        if settings.temperature == 0:
            return lambda step, rows, logprobs: logprobs.argmax(dim=-1)
        indices = range(settings.completions_per_prompt)
        noise = [uniform_noise(prompt.seed, index, settings.max_tokens) for prompt in prompts for index in indices]
        uniforms = torch.from_numpy(np.stack(noise)).to(self._model.device)
        return lambda step, rows, logprobs: draw(logprobs, uniforms[rows, step])

    def _usable(self) -> int:
        if self._model is None:
            raise EngineError(f"the {self.name} engine is closed")
        if self._version is None:
            raise EngineError(f"the {self.name} engine holds incomplete weights after a failed weight update")
        return self._version

    def _deadline(self, action: str) -> Deadline:
        return Deadline(f"{self.name} engine: {action}", self.settings.deadline_seconds, self.settings.log_path)
