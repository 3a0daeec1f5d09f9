"""What is measured: sizes, the default scratch model, and made-up completions of realistic lengths."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from grpo.config.schema import ModelConfig, OptimizerConfig, ScratchConfig
from grpo.model.load import LoadedModel, load_model
from grpo.model.scratch import write_scratch_model
from grpo.update.experience import Branch, Tree

CONTEXT = 384
"""Longest prompt plus completion of all cases; rotary positions have no weights, so the model stays the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Lengths in tokens; a completion's is drawn evenly between the two."""

    name: str
    prompt: int
    shortest: int
    longest: int


CASES = (
    Case(name="arithmetic", prompt=8, shortest=22, longest=40),
    Case(name="long_prompt", prompt=256, shortest=32, longest=96),
)
"""The embedded task, where a prompt is shorter than its answer, and the opposite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured, and the seed it is drawn with."""

    prompts: int = 32
    completions: int = 8
    max_tokens: int = 48
    repeats: int = 7
    seed: int = 0
    cases: tuple[Case, ...] = CASES
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


QUICK = Sizes(prompts=8, completions=4, max_tokens=16, repeats=5)


def scratch_model(folder: Path, seed: int) -> LoadedModel:
    """The model of the embedded example, untrained, written to `folder` and loaded from it."""
    config = ModelConfig(scratch=ScratchConfig(context=CONTEXT))
    write_scratch_model(config.scratch, (), seed, folder)
    return load_model(folder, config)


def made_up_trees(case: Case, sizes: Sizes, vocabulary: int) -> list[Tree]:
    """Random tokens with advantages +1 and -1, so that every completion has a gradient."""
    rng = random.Random(f"{case.name} {sizes.seed}")

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(vocabulary) for _ in range(count))

    def branch(sign: float) -> Branch:
        return Branch(token_ids=tokens(rng.randint(case.shortest, case.longest)), sampler_logprobs=(), advantage=sign)

    return [
        Tree(prompt_ids=tokens(case.prompt), branches=tuple(branch((-1.0) ** i) for i in range(sizes.completions)))
        for _ in range(sizes.prompts)
    ]


def seconds_of(action: Callable[[], object]) -> float:
    """Wall time, with the device's queue empty before and after."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    started = time.perf_counter()
    action()
    wait()
    return time.perf_counter() - started
