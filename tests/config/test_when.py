"""Defaults that follow another key: a pretrained model never gets the small model's learning rates."""

from __future__ import annotations

from grpo.config.load import load_config
from grpo.config.schema import SFTConfig


def test_scratch_and_pretrained_models_differ() -> None:
    small, large = load_config([]), load_config(["model.name=some/model"])
    assert (small.optimizer.lr, large.optimizer.lr) == (1e-4, 1e-6)
    first, second = small.stages["cold_start"], large.stages["cold_start"]
    assert isinstance(first, SFTConfig) and isinstance(second, SFTConfig)
    assert (first.optimizer.lr, second.optimizer.lr) == (2e-3, 1e-5)


def test_completions_are_longer_on_real_data() -> None:
    assert load_config([]).rollout.max_tokens == 48
    assert load_config(["data=gsm8k"]).rollout.max_tokens == 256


def test_a_value_given_wins() -> None:
    config = load_config(["optimizer.lr=3e-5", "rollout.max_tokens=99"])
    assert config.optimizer.lr == 3e-5 and config.rollout.max_tokens == 99
    assert config.stages["rl"].optimizer.lr == 3e-5  # type: ignore[attr-defined]
