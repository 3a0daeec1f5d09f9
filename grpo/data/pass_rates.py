"""How often each problem is solved, and what follows from it: when it comes again, and whether it does."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from grpo.run.random import derive_seed
from grpo.run.state import PartState

NEWEST = 0.5
"""Weight of the newest group in the running pass rate; earlier ones halve with every further visit."""
LEAST_WEIGHT = 0.25
"""How often a problem that is always or never solved comes, against one solved half the time."""


class PassRates:
    """Running pass rates of the problems seen so far, by index.

    Under the `pass_rate` curriculum a problem of rate p has the weight

        w = LEAST_WEIGHT + (1 - LEAST_WEIGHT) * 4p(1 - p)

    and comes again after 1 / w epochs on average. 4p(1 - p) is the variance of a reward of 0 or 1 as a share of its
    maximum ("learnability": Foster et al. 2025, arXiv 2502.12272). Epochs are whole: 1 / w is rounded up or down at
    random, keyed by (seed keys, index, epoch). So every problem comes at least once in 1 / LEAST_WEIGHT epochs.
    """

    def __init__(
        self, seed_keys: Sequence[int | str], *, weighted: bool, retire_above: float, most_retired: int
    ) -> None:
        """`weighted`: the `pass_rate` curriculum; `retire_above` of 1: no problem is retired."""
        self._seed_keys = tuple(seed_keys)
        self._weighted, self._retire_above, self._most_retired = weighted, retire_above, most_retired
        self._rates: dict[int, float] = {}
        self._next_epoch: dict[int, int] = {}
        self._retired: set[int] = set()

    def due(self, epoch: int, index: int) -> bool:
        """Whether a problem takes part in an epoch; true for problems not seen yet."""
        return index not in self._retired and self._next_epoch.get(index, 0) <= epoch

    def observe(self, index: int, epoch: int, passed: float) -> None:
        """A group of the problem, drawn in `epoch`, had this share of right completions."""
        before = self._rates.get(index)
        rate = passed if before is None else (1 - NEWEST) * before + NEWEST * passed
        self._rates[index] = rate
        if self._weighted:
            self._next_epoch[index] = epoch + self._stride(index, epoch, rate)
        if self._retire_above < 1 and rate >= self._retire_above and len(self._retired) < self._most_retired:
            self._retired.add(index)

    @property
    def mean(self) -> float:
        """Of the problems seen so far; NaN before the first."""
        return math.fsum(self._rates.values()) / len(self._rates) if self._rates else math.nan

    @property
    def retired(self) -> int:
        """Problems that do not come again."""
        return len(self._retired)

    def state(self) -> PartState:
        """One row a problem seen so far, 21 bytes; no tensors before the first."""
        seen = list(self._rates)
        if not seen:
            return PartState()
        return PartState(
            tensors={
                "index": torch.tensor(seen, dtype=torch.int64),
                "rate": torch.tensor([self._rates[index] for index in seen], dtype=torch.float64),
                "next_epoch": torch.tensor([self._next_epoch.get(index, 0) for index in seen], dtype=torch.int32),
                "retired": torch.tensor([index in self._retired for index in seen], dtype=torch.uint8),
            }
        )

    def load_state(self, saved: PartState) -> None:
        columns = ("index", "rate", "next_epoch", "retired")
        index, rate, next_epoch, retired = (saved.tensors[name].tolist() if saved.tensors else [] for name in columns)
        self._rates = dict(zip(index, rate, strict=True))
        self._next_epoch = dict(zip(index, next_epoch, strict=True))
        self._retired = {one for one, gone in zip(index, retired, strict=True) if gone}

    def _stride(self, index: int, epoch: int, rate: float) -> int:
        """Epochs until the problem's next turn, 1 or more."""
        epochs = 1 / (LEAST_WEIGHT + (1 - LEAST_WEIGHT) * 4 * rate * (1 - rate))
        whole = math.floor(epochs)
        chance = derive_seed(*self._seed_keys, "stride", index, epoch) / 2**31
        return whole + (chance < epochs - whole)
