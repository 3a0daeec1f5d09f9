"""Sums over the micro-batches of a rollout step, read once as metrics."""

from __future__ import annotations

import math
from collections import defaultdict

import torch


class Meter:
    """Token-weighted means, minima and maxima; each sums on its own device and is read once."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._counts: dict[str, float] = defaultdict(float)
        self._extremes: dict[str, float] = {}

    def add(self, name: str, values: torch.Tensor) -> None:
        """Take part in the mean `name`."""
        self._sums[name] += float(values.detach().double().sum())
        self._counts[name] += values.numel()

    def total(self, name: str, value: float) -> None:
        """Add to the sum `name`."""
        self._sums[name] += value
        self._counts[name] = 1.0

    def extreme(self, name: str, values: torch.Tensor, pick: str) -> None:
        """Take part in the `min` or `max` called `name`."""
        if values.numel() == 0:
            return
        found = float(values.min() if pick == "min" else values.max())
        held = self._extremes.get(name, found)
        self._extremes[name] = min(held, found) if pick == "min" else max(held, found)

    def read(self) -> dict[str, float]:
        """Every metric, in the order of first mention; NaN where nothing was counted."""
        means = {k: self._sums[k] / self._counts[k] if self._counts[k] else math.nan for k in self._sums}
        return means | self._extremes
