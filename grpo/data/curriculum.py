"""Which problems a reinforcement stage samples next."""

from __future__ import annotations

from collections.abc import Sequence

from grpo.config.algorithm import SelectionConfig
from grpo.data.cursor import ProblemCursor
from grpo.data.pass_rates import PassRates
from grpo.run.state import PartState
from grpo.types import Problem


class Curriculum:
    """Problems in the order of a `ProblemCursor`, less those whose turn it is not, after those that were put back."""

    def __init__(
        self, problems: Sequence[Problem], seed_keys: Sequence[int | str], selection: SelectionConfig, at_once: int
    ) -> None:
        """`at_once` problems are never retired: the pool stays as large as what is sampled at once.

        Raises:
            ValueError: there are no problems.
        """
        self._cursor = ProblemCursor(problems, seed_keys)
        self._problems = tuple(problems)
        self._index = {problem.id: index for index, problem in enumerate(problems)}
        weighted = selection.curriculum == "pass_rate"
        self._rates = PassRates(
            seed_keys,
            weighted=weighted,
            retire_above=selection.retire_above,
            most_retired=max(0, len(problems) - at_once),
        )
        self._watched = weighted or selection.retire_above < 1
        self._waiting: list[tuple[int, int]] = []
        self._drawn_in: dict[int, int] = {}

    def take(self, n: int) -> list[Problem]:
        """The next `n` problems; give each to `observe` or `put_back` before the next call.

        Raises:
            ValueError: `n` is below 1.
        """
        taken, self._waiting = self._waiting[:n], self._waiting[n:]
        if len(taken) < n:
            taken += self._cursor.places(n - len(taken), self._rates.due)
        self._drawn_in = {index: epoch for epoch, index in taken}
        return [self._problems[index] for _, index in taken]

    def put_back(self, problems: Sequence[Problem]) -> None:
        """These of the problems taken last were not sampled to the end: they come first in the next call of `take`."""
        indices = [self._index[problem.id] for problem in problems]
        self._waiting = [(self._drawn_in[index], index) for index in indices] + self._waiting

    def observe(self, problem: Problem, passed: float | None) -> None:
        """A group of one of the problems taken last had this share of right completions; None: none could be scored."""
        if self._watched and passed is not None:
            index = self._index[problem.id]
            self._rates.observe(index, self._drawn_in[index], passed)

    def metrics(self) -> dict[str, float]:
        """Mean running pass rate of the problems seen, and share of all problems that are retired."""
        if not self._watched:
            return {}
        return {
            "selection/pass_rate": self._rates.mean,
            "selection/retired": self._rates.retired / len(self._problems),
        }

    def state(self) -> PartState:
        """The cursor's place, what waits, and a row for each problem whose pass rate is known."""
        waiting = [list(place) for place in self._waiting]
        return PartState(self._rates.state().tensors, {**self._cursor.state().values, "waiting": waiting})

    def load_state(self, saved: PartState) -> None:
        """Continue where `saved` was taken.

        Raises:
            ValueError: it was taken over other problems.
        """
        self._cursor.load_state(saved)
        self._rates.load_state(saved)
        self._waiting = [(epoch, index) for epoch, index in saved.values["waiting"]]
