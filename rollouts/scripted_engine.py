"""The `scripted` engine, a fake for tests: a script decides the tokens, the real model gives their log-probs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from grpo.rollouts.engine import EngineSettings
from grpo.rollouts.generation import TokenChoice
from grpo.rollouts.transformers_engine import TransformersEngine
from grpo.types import Prompt, SamplingSettings

Script = Callable[[Prompt, int], Sequence[int]]
"""(prompt, completion index) -> token ids; cut at `max_tokens` and after the first end-of-sequence token."""

LONGEST_RANDOM = 24
"""Most tokens the default script writes before it ends a completion."""


class ScriptedEngine(TransformersEngine):
    """Writes what `script` says, so that rewards are known beforehand, and holds, scores and takes weights for real.

    The default script draws tokens uniformly, as a function of (prompt.seed, index), and ends them with the first
    end-of-sequence token. A script that stops without one is continued with it.
    """

    name = "scripted"

    def __init__(self, settings: EngineSettings, script: Script | None = None) -> None:
        super().__init__(settings)
        self._script = script or self._random_tokens

    def _token_choice(self, prompts: Sequence[Prompt], settings: SamplingSettings) -> TokenChoice:
        if settings.top_p < 1 or settings.top_k > 0 or settings.min_p > 0:
            raise ValueError("the scripted engine draws nothing: set top_p=1, top_k=0 and min_p=0")
        table = [
            self._line(prompt, index, settings.max_tokens)
            for prompt in prompts
            for index in range(settings.completions_per_prompt)
        ]
        tokens = torch.tensor(table, device=self._model.device)
        return lambda step, rows, logprobs: tokens[rows, step]

    def _line(self, prompt: Prompt, index: int, count: int) -> list[int]:
        """(count,) tokens; what follows the end-of-sequence token is never reached."""
        written = list(self._script(prompt, index))[:count]
        unknown = [token for token in written if not 0 <= token < self.checkpoint.vocab_size]
        if unknown:
            raise ValueError(f"script wrote tokens {unknown[:5]}: valid are 0 to {self.checkpoint.vocab_size - 1}")
        return written + [self.checkpoint.eos_token_ids[0]] * (count - len(written))

    def _random_tokens(self, prompt: Prompt, index: int) -> list[int]:
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((prompt.seed, index))))
        length = int(generator.integers(1, LONGEST_RANDOM, endpoint=True))
        return [int(token) for token in generator.integers(0, self.checkpoint.vocab_size, length)]
