"""The order in which a stage goes through its problems, and its place in it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence

from grpo.run.random import derive_seed
from grpo.run.state import PartState
from grpo.types import Problem


class ProblemCursor:
    """Endless batches: each epoch is a fresh permutation, and batches run on across its end."""

    def __init__(self, problems: Sequence[Problem], seed_keys: Sequence[int | str]) -> None:
        """`seed_keys` are the run's seed and the stage; the epoch number, counting from 0, is added to them.

        Raises:
            ValueError: there are no problems.
        """
        if not problems:
            raise ValueError("no problems to draw from: the data set is empty")
        self._problems = tuple(problems)
        self._seed_keys = tuple(seed_keys)
        self._epoch = 0
        self._position = 0
        self._order = self._permutation()

    def take(self, n: int) -> list[Problem]:
        """The next `n` problems; none comes twice in an epoch, and none is left out. `n` may exceed an epoch.

        Raises:
            ValueError: `n` is below 1.
        """
        return [self._problems[index] for _, index in self.places(n)]

    def places(self, n: int, due: Callable[[int, int], bool] = lambda epoch, index: True) -> list[tuple[int, int]]:
        """(epoch, index) of the next `n` problems for which `due(epoch, index)` holds; the others sit this epoch out.

        `due` must hold for some problem sooner or later.

        Raises:
            ValueError: `n` is below 1.
        """
        if n < 1:
            raise ValueError(f"cannot take {n} problems; at least 1")
        taken: list[tuple[int, int]] = []
        while len(taken) < n:
            if self._position == len(self._order):
                self._epoch, self._position = self._epoch + 1, 0
                self._order = self._permutation()
            index = self._order[self._position]
            self._position += 1
            if due(self._epoch, index):
                taken.append((self._epoch, index))
        return taken

    def state(self) -> PartState:
        """The epoch, the problems taken of it, and a digest of the problem ids."""
        return PartState(values={"epoch": self._epoch, "position": self._position, "problems": self._digest()})

    def load_state(self, saved: PartState) -> None:
        """Continue where `saved` was taken.

        Raises:
            ValueError: it was taken over other problems.
        """
        if saved.values["problems"] != self._digest():
            raise ValueError(
                f"the checkpoint's place in the data belongs to other problems than these {len(self._problems)}: "
                "the data file or its settings have changed since"
            )
        self._epoch, self._position = int(saved.values["epoch"]), int(saved.values["position"])
        self._order = self._permutation()

    def _permutation(self) -> list[int]:
        order = list(range(len(self._problems)))
        random.Random(derive_seed(*self._seed_keys, "epoch", self._epoch)).shuffle(order)
        return order

    def _digest(self) -> str:
        hasher = hashlib.sha256()
        for problem in self._problems:
            hasher.update(problem.id.encode("utf-8") + b"\0")
        return hasher.hexdigest()[:16]
