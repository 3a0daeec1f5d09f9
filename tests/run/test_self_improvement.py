"""The rounds of `experiment=self_improvement`: where each stage starts, and that debug=tiny shrinks all of them."""

from __future__ import annotations

from typing import Any

from grpo.config.check import check
from grpo.config.load import load_config


def test_each_round_begins_at_the_base_with_what_the_policy_before_got_right() -> None:
    config: Any = load_config(["experiment=self_improvement"])
    check(config)
    trains = [name for name in config.pipeline if config.stages[name].kind in ("sft", "reinforce", "rejection")]
    assert [(name, config.stages[name].model_from, config.stages[name].data_from) for name in trains] == [
        ("cold_start", "base", "base"),
        ("rl1", "cold_start", "base"),
        ("rejection1", "rl1", "base"),
        ("sft1", "base", "rejection1"),
        ("rl2", "sft1", "base"),
        ("rejection2", "rl2", "base"),
        ("sft2", "base", "rejection2"),
        ("rl3", "sft2", "base"),
    ]
    for name in trains:
        if config.stages[name].kind in ("sft", "reinforce"):
            place = config.pipeline.index(name)
            assert config.pipeline[place + 1] == f"{name}_eval"
            assert config.stages[f"{name}_eval"].model_from == name
    assert config.stages["export"].model_from == "rl3"
    assert config.stages["sft2"].optimizer.lr == config.stages["cold_start"].optimizer.lr == 2e-3


def test_tiny_shrinks_every_stage() -> None:
    config: Any = load_config(["experiment=self_improvement", "debug=tiny"])
    check(config)
    assert [config.stages[name].steps for name in ("rl1", "rl2", "rl3")] == [3] * 3
    assert [config.stages[name].steps for name in ("cold_start", "sft1", "sft2")] == [100] * 3
    assert config.stages["rl3"].prompts_per_step == 16 and config.stages["sft2"].demonstrations_per_step == 16
