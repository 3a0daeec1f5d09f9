"""A tiny part to checkpoint, and processes to kill."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from grpo.run.state import PartState, StateRegistry


@dataclass
class Counter:
    """Two tensors and a number that must always belong to the same step."""

    step: int = 0
    size: int = 64

    def state(self) -> PartState:
        tensors = {
            "first": torch.full((self.size,), float(self.step)),
            "second": torch.full((self.size, 2), self.step),
        }
        return PartState(tensors, {"step": self.step})

    def load_state(self, saved: PartState) -> None:
        self.step = saved.values["step"]
        assert bool((saved.tensors["first"] == self.step).all())
        assert bool((saved.tensors["second"] == self.step).all())


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def parts(counter: Counter) -> StateRegistry:
    """A registry with two parts that share one counter's step."""
    registry = StateRegistry()
    registry.register("model", counter)
    registry.register("cursor", counter)
    return registry
