"""What the selection knobs come to, which are refused, and what the dry run says of them."""

from __future__ import annotations

import pytest

from grpo.config.algorithm import SelectionConfig
from grpo.config.check import check
from grpo.config.errors import ConfigError
from grpo.config.estimate import batch_lines, work_of
from grpo.config.load import load_config
from grpo.config.schema import RunConfig
from grpo.config.selection import problems_at_once, samplings, token_limit


def config(*overrides: str) -> RunConfig:
    return load_config([
        "stages.rl.prompts_per_step=4", "stages.rl.steps=10", "rollout.completions_per_prompt=8",
        "rollout.max_tokens=40", *(f"algorithm.selection.{override}" for override in overrides),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("factor", "prompts", "begun"),
    [(1.0, 32, 32), (1.1, 10, 11), (1.1, 4, 5), (1.25, 32, 40), (1.2, 35, 42), (2.0, 3, 6)],
)
def test_problems_at_once(factor: float, prompts: int, begun: int) -> None:
    assert problems_at_once(SelectionConfig(oversample=factor), prompts) == begun


def test_token_limit_changes_at_its_steps() -> None:
    schedule = SelectionConfig(length_steps=[0, 3, 5], length_limits=[8, 16, 12])
    assert [token_limit(schedule, 20, step) for step in range(7)] == [8, 8, 8, 16, 16, 12, 12]
    late = SelectionConfig(length_steps=[2], length_limits=[8])
    assert [token_limit(late, 20, step) for step in range(4)] == [20, 20, 8, 8]
    assert token_limit(SelectionConfig(), 20, 99) == 20


def test_samplings() -> None:
    assert samplings(SelectionConfig(max_batches=7)) == 1
    assert samplings(SelectionConfig(refill=True, max_batches=7)) == 7


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["length_steps=[0,2]", "length_limits=[8]"], "valid is one limit for each step"),
        (["length_steps=[2,2]", "length_limits=[8,9]"], "valid are rising steps"),
        (["length_steps=[3,2]", "length_limits=[8,9]"], "valid are rising steps"),
        (["length_steps=[0]", "length_limits=[41]"], r"at most stages.rl.rollout.max_tokens=40"),
        (["length_steps=[-1]", "length_limits=[4]"], "valid is 0 or more"),
        (["length_steps=[0]", "length_limits=[0]"], "valid is 1 or more"),
    ],
)
def test_what_is_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(config(*overrides))


def test_refill_needs_two_completions() -> None:
    with pytest.raises(ConfigError, match=r"refill=true with stages.rl.rollout.completions_per_prompt=1"):
        check(load_config(["algorithm.selection.refill=true", "rollout.completions_per_prompt=1"]))


def line(of: RunConfig) -> str:
    return next(line for line in batch_lines(of) if line.startswith("rl:"))


def test_the_dry_run_says_what_selection_can_cost() -> None:
    assert line(config()).endswith("1 optimizer step, 10 times")
    assert line(config("refill=true", "max_batches=5")).endswith("; refill: up to 5 samplings a step, 160 completions")
    assert line(config("oversample=1.5")).endswith("; oversample: 6 prompts are begun for 4 complete groups")
    scheduled = line(config("length_steps=[0,4]", "length_limits=[10,30]"))
    assert scheduled.endswith("; ≤ 10 tokens from step 0; ≤ 30 tokens from step 4")


def test_most_tokens() -> None:
    def tokens(*overrides: str) -> tuple[int, int]:
        work = next(one for one in work_of(config(*overrides)) if one.name == "rl")
        return work.sampled, work.trained

    assert tokens() == (10 * 4 * 8 * 40, 10 * 4 * 8 * 40)
    assert tokens("refill=true", "max_batches=5") == (5 * 10 * 4 * 8 * 40, 10 * 4 * 8 * 40)
    assert tokens("oversample=1.5") == (10 * 6 * 8 * 40, 10 * 4 * 8 * 40)
    scheduled = (4 * 10 + 6 * 30) * 4 * 8
    assert tokens("length_steps=[0,4]", "length_limits=[10,30]") == (scheduled, scheduled)
