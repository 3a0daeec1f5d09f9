"""Compact and host-resident optimizer states through a checkpoint on disk: the resumed run is bit-equal."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from grpo.config.slices import OptimizerConfig
from grpo.run.checkpoint import load_checkpoint, save_checkpoint
from grpo.run.state import ModelState, OptimizerState, StateRegistry
from grpo.update.optimizer import Optimizer
from tests.run.running import LEARNING, assert_same_run, run_here


class Training:
    """A net with a tied-size head, a ragged bias and bfloat16 weights, and its parts as a stage registers them."""

    def __init__(self, config: OptimizerConfig, seed: int, *, rounding: int = 11) -> None:
        torch.manual_seed(seed)
        self.net = torch.nn.Sequential(torch.nn.Linear(300, 3), torch.nn.Linear(3, 300)).to(torch.bfloat16)
        self.optimizer = Optimizer(self.net, config, steps=20, seed=rounding)
        self.parts = StateRegistry()
        self.parts.register("model", ModelState(self.net))
        self.parts.register("optimizer", OptimizerState(self.optimizer.adamw, self.net.named_parameters()))
        self.parts.register("schedule", self.optimizer)

    def steps(self, count: int) -> None:
        for _ in range(count):
            generator = torch.Generator().manual_seed(self.optimizer.done)
            data = torch.randn(5, 300, generator=generator).bfloat16()
            (self.net(data) - data).float().square().mean().backward()
            self.optimizer.step()


CONFIGS = [
    OptimizerConfig(name=name, states=states, lr=1e-3, weight_decay=0.1)
    for name, states in (("compact_adamw", "device"), ("compact_adamw", "host"), ("adamw", "host"))
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.name}-{config.states}")
@pytest.mark.parametrize("before", [0, 1, 4])
def test_resumed_training_is_bit_equal(tmp_path: Path, config: OptimizerConfig, before: int) -> None:
    straight = Training(config, seed=0)
    straight.steps(before)
    path = save_checkpoint(tmp_path, before, straight.parts, {"stage": "sft"})
    straight.steps(5)
    resumed = Training(config, seed=7)
    resumed.steps(2)  # must be undone by loading
    load_checkpoint(path, resumed.parts)
    resumed.steps(5)
    for one, other in zip(straight.net.parameters(), resumed.net.parameters(), strict=True):
        assert torch.equal(one, other)
        mine, its = straight.optimizer.adamw.state[one], resumed.optimizer.adamw.state[other]
        assert mine.keys() == its.keys() and mine["step"] == its["step"] == before + 5
        for key in mine.keys() - {"step"}:
            assert torch.equal(mine[key], its[key]) and mine[key].dtype == its[key].dtype, key


def test_the_residual_is_part_of_the_state_and_so_is_the_seed() -> None:
    """Without it, or with another seed, the same five steps end elsewhere: the test above is not empty."""
    ends = []
    for drop, rounding in ((False, 11), (True, 11), (False, 12)):
        training = Training(CONFIGS[0], seed=0, rounding=rounding)
        training.steps(3)
        if drop:
            for state in training.optimizer.adamw.state.values():
                state["residual"].zero_()
        training.steps(30)
        ends.append(torch.cat([p.detach().view(-1) for p in training.net.parameters()]))
    assert not torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])


def test_states_of_another_kind_are_refused(tmp_path: Path) -> None:
    plain = Training(OptimizerConfig(lr=1e-3), seed=0)
    plain.steps(1)
    compact = Training(CONFIGS[0], seed=0)
    with pytest.raises(ValueError, match="CompactAdamW needs"):
        compact.parts["optimizer"].load_state(plain.parts["optimizer"].state())


def test_host_states_leave_the_run_as_it_is(tmp_path: Path) -> None:
    """The whole pipeline in bfloat16 with the compact optimizer, states on the device and on the host."""
    steps = [*LEARNING, "optimizer=compact_adamw", "model.dtype=bfloat16", "stages.cold_start.steps=2",
             "stages.rl.steps=2", "rollout.max_logprob_diff=1.0"]  # fmt: skip
    (code, one), (_, other) = (run_here(tmp_path / s, *steps, f"optimizer.states={s}") for s in ("device", "host"))
    assert code == 0
    assert_same_run(one, other)
