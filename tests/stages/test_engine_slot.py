from __future__ import annotations

from grpo.config.load import load_config
from grpo.stages.engine_slot import EVALUATED_AT_ONCE, MOST_SEQUENCES, largest_call


def test_the_engine_is_sized_for_the_largest_stage() -> None:
    """An evaluation usually comes first; the rollouts after it must still be computed in one wave."""
    assert largest_call(load_config(["stages.rl.prompts_per_step=40"])) == 40 * 8
    assert largest_call(load_config(["pipeline=[cold_start,cold_start_eval]"])) == EVALUATED_AT_ONCE
    assert largest_call(load_config(["stages.rl.prompts_per_step=4096"])) == MOST_SEQUENCES
