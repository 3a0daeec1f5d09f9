"""What the tests said about one program."""

from __future__ import annotations

from dataclasses import dataclass


class TestsUnusableError(ValueError):
    """The tests of a row cannot judge any program, right or wrong."""

    __test__ = False  # pytest collects classes whose names start with Test


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    passed: int
    """Tests passed."""
    total: int
    """Tests of the row, at least 1; those that did not come to run count as not passed."""
    timed_out: bool
    """The program ran into a limit of time."""
    reason: str
    """Why the first failing test failed, for the log; empty when all passed."""

    @property
    def all_passed(self) -> bool:
        return self.passed == self.total
