"""Seeds of prompts: by keys and problem, and of their own for a problem that is asked for twice."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from grpo.rollouts.engine import FirstGroups
from grpo.run.random import derive_seed
from grpo.stages.sampler import PolicySampler
from grpo.types import Group, Problem, Prompt, SamplingSettings

SETTINGS = SamplingSettings(completions_per_prompt=2, max_tokens=4)


class SeenEngine:
    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.count: int | None = None

    def sample(self, prompts: Sequence[Prompt], settings: SamplingSettings) -> list[Group]:
        self.prompts = list(prompts)
        return []

    def sample_first(self, prompts: Sequence[Prompt], settings: SamplingSettings, count: int) -> FirstGroups:
        self.prompts, self.count = list(prompts), count
        return FirstGroups(groups=(), tokens_discarded=0)


def sampler(engine: SeenEngine) -> PolicySampler:
    encoder: Any = SimpleNamespace(encode=lambda problem: (1, 2))
    nothing: Any = None
    return PolicySampler(engine, nothing, encoder, nothing, nothing)  # type: ignore[arg-type]


def problems(*names: str) -> list[Problem]:
    return [Problem(id=name, prompt="p", answer="1") for name in names]


def test_a_seed_is_that_of_the_keys_and_the_problem() -> None:
    engine = SeenEngine()
    sampler(engine).sample(problems("a", "b"), SETTINGS, 7, "rl", 3)
    assert [prompt.seed for prompt in engine.prompts] == [derive_seed(7, "rl", 3, "a"), derive_seed(7, "rl", 3, "b")]
    sampler(engine).sample_first(problems("b", "a"), SETTINGS, 1, 7, "rl", 3)
    assert [prompt.seed for prompt in engine.prompts] == [derive_seed(7, "rl", 3, "b"), derive_seed(7, "rl", 3, "a")]
    assert engine.count == 1


def test_a_problem_asked_for_again_is_sampled_anew() -> None:
    engine = SeenEngine()
    sampler(engine).sample(problems("a", "b", "a", "a"), SETTINGS, 7)
    seeds = [prompt.seed for prompt in engine.prompts]
    assert len(set(seeds)) == 4 and seeds[0] == derive_seed(7, "a")
