"""What is measured: sizes, the default scratch model, and made-up completions of realistic lengths."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from grpo.config.slices import ModelConfig, ScratchConfig
from grpo.model.load import LoadedModel, load_model
from grpo.model.scratch import write_scratch_model
from grpo.update.experience import Branch, Tree
from grpo.update.packing import PackingLimits

CONTEXT = 384
"""Longest prompt plus completion, tokens; rotary positions have no weights, so the model stays the default one."""
MICRO_BATCH = 8192
"""Tokens of one pass, the default of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Lengths in tokens; those of completions are drawn evenly between two."""

    prompt: int
    shortest: int
    longest: int

    @property
    def limits(self) -> PackingLimits:
        return PackingLimits(micro_batch=MICRO_BATCH)


CASES = {
    "arithmetic": Case(prompt=8, shortest=22, longest=40),
    "long_prompt": Case(prompt=256, shortest=32, longest=96),
}
"""The embedded task, and the opposite: a prompt longer than its answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured, and the seed it is drawn with."""

    prompts: int = 32
    completions: int = 8
    max_tokens: int = 48
    repeats: int = 7
    seed: int = 0


QUICK = Sizes(prompts=8, completions=4, max_tokens=16, repeats=5)


def scratch_model(folder: Path, seed: int) -> LoadedModel:
    """The model of the embedded example, untrained, written to `folder` and loaded from it."""
    config = ModelConfig(scratch=ScratchConfig(context=CONTEXT))
    write_scratch_model(config.scratch, (), seed, folder)
    return load_model(folder, config)


def made_up_trees(case: Case, sizes: Sizes, vocabulary: int) -> list[Tree]:
    """Random tokens with advantages +1 and -1 in turn, so that every completion has a gradient."""
    rng = random.Random(f"{case} {sizes.seed}")

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(vocabulary) for _ in range(count))

    def branch(index: int) -> Branch:
        ids = tokens(rng.randint(case.shortest, case.longest))
        return Branch(token_ids=ids, sampler_logprobs=(), advantage=(-1.0) ** index)

    branches = [tuple(branch(index) for index in range(sizes.completions)) for _ in range(sizes.prompts)]
    return [Tree(prompt_ids=tokens(case.prompt), branches=group) for group in branches]


def seconds_of(action: Callable[[], object]) -> float:
    """Wall time, with the device's queue empty before and after."""
    wait: Callable[[], None] = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    started = time.perf_counter()
    action()
    wait()
    return time.perf_counter() - started
