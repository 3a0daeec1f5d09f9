"""Corrections, staleness and filters that contradict themselves are refused before anything is loaded."""

from __future__ import annotations

import pytest

from grpo.algorithm.corrections import WEIGHTS
from grpo.config.check import check
from grpo.config.errors import ConfigError
from grpo.config.limits import CHOICES
from grpo.config.load import load_config
from tests.config.helpers import refusal

REFUSED = {
    "algorithm.importance=mask algorithm.importance_floor=2.0": "a floor below 1",
    "algorithm.importance=mask algorithm.importance_floor=3.0": "importance_floor=3.0, importance_cap=2.0",
    "algorithm.importance=mask algorithm.importance_cap=1.0": "a cap above it",
    "algorithm.importance_floor=0.5": "has no effect with algorithm.importance=truncate; valid is 0",
    "algorithm.importance=off algorithm.importance_floor=0.5": "has no effect with algorithm.importance=off",
    "algorithm.importance=off algorithm.importance_level=sequence": "valid is token",
    "algorithm.importance_cap=0.5": "valid is 1 or more",
    "algorithm.importance_level=geometric": "a geometric mean can reject",
    "stages.rl.algorithm.importance_level=geometric": "stages.rl.algorithm.importance_level=geometric",
    "stages.rl.optimizer_steps_per_rollout=18": "17 optimizer steps old, above stages.rl.algorithm.max_staleness=16",
    "stages.rl.optimizer_steps_per_rollout=2 algorithm.max_staleness=0": "valid is at most 1",
    "rollout=scripted stages.rl.rollout.min_p=0.1": "the scripted engine draws nothing",
    "rollout=scripted rollout.top_k=3": "the scripted engine draws nothing",
}
ACCEPTED = (
    "stages.rl.optimizer_steps_per_rollout=17",
    "algorithm.max_staleness=0",
    "algorithm.importance_cap=1.0",
    "algorithm.importance=mask algorithm.importance_floor=0.5 algorithm.importance_cap=5.0",
    "stages.rl.rollout.top_p=0.9 stages.rl.rollout.top_k=20 stages.rl.rollout.min_p=0.05",
)


@pytest.mark.parametrize("overrides", REFUSED)
def test_contradictions_are_refused(overrides: str) -> None:
    message = refusal(*overrides.split())
    assert REFUSED[overrides] in message and "valid" in message


@pytest.mark.parametrize("overrides", ACCEPTED)
def test_what_is_sound_is_accepted(overrides: str) -> None:
    check(load_config(overrides.split()))


def test_the_pairs_that_exist_are_the_pairs_accepted() -> None:
    accepted = set()
    for mode in CHOICES["algorithm.importance"]:
        for level in CHOICES["algorithm.importance_level"]:
            try:
                check(load_config([f"algorithm.importance={mode}", f"algorithm.importance_level={level}"]))
            except ConfigError:
                continue
            accepted.add((mode, level))
    assert accepted == WEIGHTS.keys()
